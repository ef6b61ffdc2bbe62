"""Reads what ndbytes wrote, without ndbytes: this one file, NumPy, and for some codecs the packages named below.

    array = ndbytes_reader.read("counts.ndb")         a .npy or .ndb file, by its path or as bytes
    found = ndbytes_reader.read_with("counts.ndb")    found.array, and what else the file says of it

From a shell: python ndbytes_reader.py FILE

It is written from spec/FORMAT.md alone, whose sections it names. Blocks in zstd need the package `zstandard` or
Python 3.14, those in pco the package `pcodec`; lz4 is quicker with the package `lz4`. The file is read whole, and what
is damaged or breaks a rule is a FormatError, never an array. Items of bfloat16 and float8 come as raw bytes ("V2",
"V1"), which `array.view(ml_dtypes.bfloat16)` turns into numbers.
"""

import ast
import importlib
import json
import math
import re
import struct
import sys
import zlib
from collections import namedtuple
from itertools import accumulate
from pathlib import Path

import numpy as np

NPY, FRAME, TAIL, INDEX = b"\x93NUMPY", b"\x89NDBF\r\n\x1a", b"\x89NDBT\r\n\x1a", b"\x89NDBI\r\n\x1a"
MIB, MOST = 1 << 20, 2**63 - 1

# state is "verified", "unchecked" (a bare .npy) or "open" (a writer did not finish; nothing was compared). dtype is in
# the spelling of section 2, or None where the header of a .npy says all of it.
Found = namedtuple("Found", "array state order dtype name attrs")


class FormatError(ValueError):
    """`kind` is malformed, truncated, checksum, unsupported or limit (section 1)."""

    def __init__(self, kind, message):
        super().__init__(f"{kind}: {message}")
        self.kind = kind


def read(source):
    return read_with(source).array


def read_with(source, require_checksum=False):
    file = Input(bytes(source) if isinstance(source, (bytes, bytearray, memoryview)) else Path(source).read_bytes())
    reader = read_npy if NPY.startswith(file.data[:6]) else read_frame
    dtype, shape, order, data, state, spelling, said = reader(file, require_checksum)
    need(file.at == len(file.data), "bytes behind the end")
    array = np.ndarray(shape, dtype, bytearray(data), order=order)
    return Found(array, state, order, spelling, said.get("name"), said.get("attrs"))


class Input:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n, what):
        start, self.at = self.at, self.at + n
        need(self.at <= len(self.data), f"it ends at byte {len(self.data)}, {what} at {self.at}", "truncated")
        return self.data[start : self.at]


def need(holds, message, kind="malformed"):
    if not holds:
        raise FormatError(kind, message)


def limited(what, n, most=2**31 - 1):
    need(n <= most, f"{what}: {n}, at most {most}", "limit")
    return n


# ---- CRC-32C (section 1): of each byte alone, then of two, of four: that of a + b is a's moved past b, xor b's.


def crc32c(data):
    """The four bytes of the CRC."""
    levels = (len(data) + 3).bit_length()
    crcs = SHIFTS[0][0][np.frombuffer((START + data).rjust(1 << levels, b"\0"), "u1")]
    for shift in SHIFTS[:levels]:
        crcs = moved(crcs[::2], shift) ^ crcs[1::2]
    return struct.pack("<I", ~crcs[0])


def moved(crcs, shift):
    return shift[0][crcs & 255] ^ shift[1][crcs >> 8 & 255] ^ shift[2][crcs >> 16 & 255] ^ shift[3][crcs >> 24]


def shifts():
    """For 1, 2, 4, ... bytes: what each value of each byte of a CRC becomes behind as many zeros."""
    table = np.arange(256, dtype="u4")
    for _ in range(8):
        table = table >> 1 ^ (table & 1) * np.uint32(0x82F63B78)
    shift = np.stack([table, *(np.arange(256, dtype="u4") << 8 * i for i in range(3))])
    for _ in range(36):
        yield shift
        shift = moved(shift, shift)


SHIFTS, START = list(shifts()), bytes.fromhex("54641f64")  # START turns a CRC of 0 into the initial value.


def unsealed(part, what):
    """The part without its last four bytes, which are its CRC."""
    need(len(part) >= 4 and part[-4:] == crc32c(part[:-4]), f"{what} is damaged", "checksum")
    return part[:-4]


# ---- .npy and the tail (sections 3 to 5)

TAIL_HEADER = b"\x93NUMPY\1\0v\0{'descr': '|u1', 'fortran_order': False, 'shape': ("


def read_npy(file, required):
    version = file.take(8, "the magic ends")[6:]
    need(version in (b"\1\0", b"\2\0", b"\3\0"), f"npy version {version}", "unsupported")
    length = int.from_bytes(file.take(2 if version[0] == 1 else 4, "the header begins"), "little")
    text = file.take(limited("bytes of the header", length, MIB), "the header ends")
    try:
        tree = ast.parse(text.decode("utf8" if version[0] == 3 else "latin1").strip(), mode="eval")
        fields, keys = ast.literal_eval(tree), tree.body.keys
        dtype, shape, fortran = np.lib.format.descr_to_dtype(fields["descr"]), fields["shape"], fields["fortran_order"]
    except Exception as error:
        raise FormatError("malformed", f"the npy header: {error}") from None
    need(len(keys) == 3 and type(fortran) is bool, f"the npy header: {text}")
    need(not dtype.hasobject, "an object dtype, which means pickle", "unsupported")
    header, said, state = file.data[: file.at], {}, "unchecked"
    data = file.take(size_of(dtype.itemsize, shape, tuple), "the data end")
    if file.at < len(file.data):
        lead, known = file.data[file.at : file.at + 128], len(TAIL_HEADER)
        n = int((re.compile(rb"[1-9][0-9]{0,18}(?=,)").match(lead, known) or [b"0"])[0])
        fits = lead == (TAIL_HEADER + b"%d,), }" % n).ljust(127) + b"\n" and n >= tail_length(data)
        fits = fits or len(lead) < 128 and lead[:known] == TAIL_HEADER[: len(lead)]
        need(fits and TAIL.startswith(file.data[file.at + 128 :][:8]), "bytes behind the array that are no tail")
        file.take(128, "the tail's header ends")
        limited("bytes of the metadata", n - tail_length(data), MIB)
        state, text = read_record(file.take(n, "the tail ends"), header, data, required, lead)
        said = json_object(text, ["dtype", "name", "attrs"]) if text else {}
    need(state != "unchecked" or not required, "there is no tail", "truncated")
    spelling = said.get("dtype")
    need(spelling is None or dtype_of(spelling) == dtype, f"{spelling} is not the dtype of the header")
    return dtype, shape, "F" if fortran else "C", data, state, spelling, said


def size_of(itemsize, shape, sequence):
    """The bytes of an array, whose shape and size are held to the limits of section 1."""
    fits = type(shape) is sequence and len(shape) <= 64 and all(type(n) is int and 0 <= n <= MOST for n in shape)
    need(fits, f"shape {shape}")
    limited("bytes of the array", max(itemsize, 1) * math.prod(n or 1 for n in shape), MOST)
    return itemsize * math.prod(shape)


def tail_length(data):
    return 40 + 4 * -(-len(data) // MIB)


def read_record(record, header, data, required, lead=b""):
    """State and metadata (section 3)."""
    m = int.from_bytes(record[28:32], "little")
    unsealed((lead + record)[: len(lead) + 36 + m] if 36 + m <= len(record) else b"", "the tail")
    magic, version, state, zero, crc, length, block = struct.unpack("<8sBBH4sQI", record[:28])
    need(magic == TAIL, "no tail behind the data")
    need(version == zero == 0 and state <= 1, f"a tail of version {version}, state {state}, {zero}", "unsupported")
    fits = (length, block, len(record)) == (len(data), MIB, tail_length(data) + m) and (lead or m == 0)
    need(fits, f"a tail for {length} bytes in blocks of {block}")
    need(state == 0 or not required, "a writer did not finish", "truncated")
    if state == 0:
        sums = unsealed(record[36 + m :], "the tail")
        need(crc == crc32c(header), "the header is damaged, or the tail is another array's", "checksum")
        for i in range(len(sums) // 4):
            need(sums[4 * i :][:4] == crc32c(data[i * MIB :][:MIB]), f"MiB {i} of the data is damaged", "checksum")
    return ["verified", "open"][state], record[32 : 32 + m]


# ---- The JSON object and the dtype of a header (sections 1 and 2)


def json_object(text, keys):
    """The members with these keys."""
    said, own, types = None, [], {"attrs": dict, "shape": list, "block": list}
    try:
        text = text.decode()
        brackets = re.findall(r"[][{}]", re.sub(r'"(\\.|[^"\\])*"', "", text))
        if max(accumulate(1 if bracket in "[{" else -1 for bracket in brackets), default=0) <= 64:
            said = json.loads(
                text,
                object_pairs_hook=lambda pairs: own.append([key for key, _ in pairs if key in keys]) or dict(pairs),
                parse_int=lambda digits: int(digits) if digits != "-0" and len(digits) < 4000 else float(digits),
                parse_constant=[].index,  # Fails: NaN is not JSON.
            )
    except ValueError as error:
        raise FormatError("malformed", f"the JSON text: {error}") from None
    need(type(said) is dict, "no JSON object, or brackets nest more than 64 deep")
    for key in own[-1]:
        half = type(said[key]) is str and re.search("[\ud800-\udfff]", said[key])
        need(type(said[key]) is types.get(key, str) and not half and own[-1].count(key) == 1, f"the JSON key {key}")
    return {key: said[key] for key in own[-1]}


NUMBER, ESCAPE = "(?:0|[1-9][0-9]*)", r"""\\(?:[\\'"nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})"""
NAME = rf"""[A-Za-z0-9_]+|'(?:[^'\\\n\r\0]|{ESCAPE})*'|"(?:[^"\\\n\r\0]|{ESCAPE})*\""""
FIELD = re.compile(rf"(?:(?P<title>{NAME})=)?(?P<name>{NAME}):|:\|V(?P<gap>{NUMBER})")
PLACE = re.compile(rf"(?P<axes>(\[{NUMBER}(,{NUMBER})*\])*)(@(?P<offset>{NUMBER}))?")
END, COMMA = re.compile(rf"}}(/(?P<size>{NUMBER}))?"), re.compile(",")
TYPE = re.compile(
    r"((?P<V2>>?bfloat16)|(?P<V1>float8_(e3m4|e4m3(b11fnuz|fn|fnuz)?|e5m2(fnuz)?|e8m0fnu))"
    r"|[<>][Mm]8(\[(?P<count>[1-9][0-9]*)?(Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?"
    rf"|((?P<text>[<>]U)|\|[SV])(?P<n>{NUMBER})|\|[biu]1|[<>]([iuf][248]|(?P<long>f16|c32)|c8|c16))(?!\w)", re.A)


def dtype_of(text):
    """The NumPy dtype of a spelling, of which each dtype has one."""
    dtype, _, count, end = type_at(text, 0, 1)
    limited("fields", count, 4096)
    need(end == len(text), f"dtype {text!r}, behind character {end}")
    return dtype


def type_at(text, at, depth):
    """NumPy dtype, levels of records, number of fields, where it ends."""
    limited("levels of records", depth, 17)
    if not text.startswith("{", at):
        found = matched(TYPE, text, at)
        need(2 <= number(found["count"] or "2") < 2**31, f"the unit of {found[0]}")
        limited("bytes of an item", number(found["n"] or "0") * (4 if found["text"] else 1))
        raw = found["long"] and np.dtype("longdouble").itemsize != 16 and f"V{found['long'][1:]}"
        return np.dtype("V2" if found["V2"] else "V1" if found["V1"] else raw or found[0]), 0, 0, found.end()
    fields, at, levels, count, gap, apart, end, size = [], at + 1, 1, 0, False, True, 0, 0
    while not text.startswith("}", at):
        at = matched(COMMA, text, at).end() if fields or gap else at
        field = matched(FIELD, text, at)
        if field["gap"]:
            need(not gap and field["gap"] != "0", f"a gap of the dtype {text!r}")
            at, gap, end = field.end(), True, limited("bytes of an item", end + number(field["gap"]))
            continue
        dtype, inner, more, at = type_at(text, field.end(), depth + 1)
        place = matched(PLACE, text, at)
        at, gap, pairs = place.end(), False, re.findall(r"\[(.*?)\]", place["axes"])
        for pair in pairs:
            axes = [number(n) for n in pair.split(",")]
            need(dtype.itemsize and len(axes) <= 64, f"brackets of the dtype {text!r}")
            limited("bytes of an item", dtype.itemsize * math.prod(n or 1 for n in axes))
            dtype = np.dtype((dtype, tuple(axes)))
        start = number(place["offset"] or str(end))
        apart, end = apart and start >= end, start + dtype.itemsize
        size = limited("bytes of an item", max(size, end))
        levels, count = limited("levels of records", max(levels, 1 + inner + len(pairs[1:])), 16), count + more + 1
        fields.append((name_of(field["name"]), name_of(field["title"]), dtype, start, place["offset"]))
    names, titles, dtypes, starts, offsets = zip(*fields) if fields else [()] * 5
    slash = matched(END, text, at)
    least = max(size, end) if apart else size
    size = limited("bytes of an item", number(slash["size"] or str(least)))
    every = [name for name in names + titles if name is not None]
    fits = all((offset is None) == apart for offset in (*offsets, slash["size"])) and len(set(every)) == len(every)
    need(fits and least <= size, f"fields of the dtype {text!r}")
    record = {"names": names, "titles": titles, "formats": dtypes, "offsets": starts, "itemsize": size}
    return np.dtype(record), levels, count, slash.end()


def matched(pattern, text, at):
    found = pattern.match(text, at)
    need(found, f"dtype {text!r}, at character {at}")
    return found


def number(digits):
    return limited("a number", int(digits[:20]), MOST)


def name_of(word):
    """The name, which stands in quotes only where it must and is escaped as `repr` does."""
    if word is None or word[0] not in "'\"":
        return word
    try:
        name = ast.literal_eval(word).encode().decode()
    except (SyntaxError, UnicodeEncodeError):
        name = "a"
    bare, written = re.fullmatch("[A-Za-z0-9_]+", name), word.encode("ascii", "backslashreplace").decode()
    need(not bare and ascii(name) == written, f"the name {word} of a dtype")
    return name


# ---- The frame (sections 6 and 7)


def read_frame(file, required):
    need(FRAME.startswith(file.data[:8]), f"neither .npy nor .ndb: it begins with {file.data[:8]}")
    h = int.from_bytes(file.take(16, "the header's length ends")[12:], "little")
    limited("bytes of the header", h, MIB)
    need(h >= 64 and h % 64 == 0, f"a header of {h} bytes")
    header = unsealed(file.data[:16] + file.take(h - 16, "the header ends"), "the header")
    version, flags, filter, codec, _, d = struct.unpack("<BBBBIQ", header[8:24])
    known = version == 0 and (flags == 1 or flags == filter == codec == 0)
    need(known, f"version {version}, flags {flags}, filter {filter}, codec {codec}", "unsupported")
    said = {"order": "C"} | json_object(header[24:], ["dtype", "shape", "order", "name", "attrs"] + flags * ["block"])
    need({"dtype", "shape"} <= said.keys() and said["order"] in ("C", "F"), "dtype, shape or order")
    dtype, shape = dtype_of(said["dtype"]), said["shape"]
    need(size_of(dtype.itemsize, shape, list) == d, f"{d} bytes are not those of dtype and shape")
    if flags:
        data, state = read_blocks(file, header, said, dtype.itemsize), "verified"
    else:
        data = file.take(d, "the data end")
        state, _ = read_record(file.take(tail_length(data), "the tail ends"), header, data, required)
    return dtype, shape, said["order"], data, state, said["dtype"], said


# ---- The coded frame (sections 8 and 9)


def read_blocks(file, header, said, itemsize):
    """The data as they lie in the array."""
    turn = slice(None, None, -1 if said["order"] == "F" else 1)
    shape, lengths, element = said["shape"][turn], said.get("block", [None])[turn], element_of(said["dtype"], itemsize)
    fits = len(lengths) == len(shape) and all(type(b) is int and 1 <= b <= max(n, 1) for b, n in zip(lengths, shape))
    fits = fits and (math.prod(lengths) == 1 or itemsize * math.prod(lengths) <= 16 * MIB)
    need(fits, f"blocks of {lengths} for {shape}")
    known = lambda filter, codec: codec <= 4 and filter < 128 and filter & 3 < 3 and filter >> 2 & 7 < 5
    need(known(*header[10:12]), f"filter {header[10]}, codec {header[11]}", "unsupported")
    d, grid = itemsize * math.prod(shape), [-(-n // b) for n, b in zip(shape, lengths)]
    count = math.prod(grid) if d else 0
    blocks, entries = [], []
    for index in range(count):
        what, at = f"block {index} of 0 to {count - 1}", file.at
        head = unsealed(file.take(24, f"the header of {what} ends"), what)
        starts = [int(i) * b for i, b in zip(np.unravel_index(index, grid), lengths)]
        box = [min(b, n - i) for i, b, n in zip(starts, lengths, shape)]
        s, filter, codec, zero, rows, stored_crc, crc = struct.unpack("<IBBHI4s4s", head)
        need(known(filter, codec) and zero == 0, f"{what}: filter {filter}, codec {codec}, {zero}", "unsupported")
        size = itemsize * math.prod(box)
        fits = rows == (box or [1])[0] and (s <= size if codec else s == size and filter == 0)
        need(fits, f"{what}: {s} bytes, {rows} rows, filter {filter}, codec {codec}")
        stored = file.take(s, f"{what} ends")
        need(crc32c(stored) == stored_crc, f"{what} is damaged", "checksum")
        items = decoded(stored, filter, codec, box, element, what) if codec else stored
        need(crc32c(items) == crc, f"{what} does not hold the items that were written", "checksum")
        blocks.append((tuple(slice(i, i + n) for i, n in zip(starts, box)), np.ndarray(box, f"V{itemsize}", items)))
        entries.append(struct.pack("<QII4s4s", at, s, rows, stored_crc, crc))
    read_index(file, header, b"".join(entries), struct.pack("<QQQQQ", count, (shape or [1])[0], d, file.at, 0))
    data = bytearray(d)
    for place, block in blocks:
        np.ndarray(shape, block.dtype, data)[place] = block
    return data


def read_index(file, header, entries, numbers):
    written, page = file.take(len(entries), "the index's pages end"), 24 * 1024
    crcs = b"".join(crc32c(written[at : at + page]) for at in range(0, len(written), page))
    sums, footer = file.take(len(crcs), "its CRCs end"), unsealed(file.take(64, "the index ends"), "the index")
    need(footer[:8] == INDEX, "no index behind the blocks")
    need(footer[8:12] == bytes(4), f"an index of version {footer[8]}, {footer[9:12]}", "unsupported")
    need(footer[12:16] == crc32c(header), "header and index are of different frames", "checksum")
    need(footer[16:56] == numbers, "the index is for another number of blocks, or of bytes")
    need(footer[56:] == crc32c(sums) and sums == crcs, "the index is damaged", "checksum")
    need(written == entries, "the index does not say of the blocks what they do", "checksum")


def element_of(spelling, itemsize):
    """What a filter works on: bytes of an element, elements of an item, pco's type, whether it is big-endian."""
    word, big = spelling.lstrip("<>|"), spelling[0] == ">"
    if word[0] in "{SV" or word in ("f16", "c32"):
        return 1, itemsize, None, False
    if word[0] in "Uc":
        return (4, itemsize // 4, None, big) if word[0] == "U" else (itemsize // 2, 2, f"<f{itemsize // 2}", big)
    pco = re.match(r"([iuf][248]|[Mm]8)(?!\w)", word)
    return itemsize, 1, "<" + re.sub("[Mm]", "i", pco[1]) if pco else None, big


def decoded(stored, filter, codec, box, element, what):
    """The items of a block: the parts of its filter are undone, the last one first."""
    arrange, predict, planes, decimal = filter & 3, filter >> 2 & 7, filter >> 5 & 1, filter >> 6
    w, m, pco, big = element
    box = box + [m] * (m != 1)
    box, axes = box[-1:] + box[:-1] if planes else box, [(), (-1,), (-1, -2), (-1, -2, -3), (-2,)][predict]
    need(not decimal or len(stored) >= 2 and pco in ("<f4", "<f8"), f"{what}: filter {filter}")
    digits, width, stored = (stored[0], stored[1], stored[2:]) if decimal else (0, w, stored)
    pco = f"<u{width}" if decimal or predict else pco
    fits = digits <= 22 and (width == w or width < w and width in (1, 2, 4))
    fits = fits and len(box) >= max(2 * planes, -min(axes, default=0))
    need(fits and (codec != 4 or arrange == 0 and pco and width > 1), f"{what}: filter {filter} for a box of {box}")
    n = math.prod(box)
    data = np.frombuffer(b"".join(segments(stored, codec, n * width, pco, what)), "u1")
    if arrange == 1:
        data = data.reshape(width, n).T
    if arrange == 2:
        whole = n // 8 * 8
        bits = np.unpackbits(data[: whole * width], bitorder="little").reshape(8 * width, whole).T
        data = np.append(np.packbits(bits, axis=1, bitorder="little"), data[whole * width :])
    data = np.ascontiguousarray(data).reshape(-1).view(f"<u{width}").reshape(box)
    data = data >> 1 ^ -(data & 1) if predict else data
    for axis in axes:
        data = np.cumsum(data, axis=axis, dtype=data.dtype)
    if decimal:
        data = (data.view(f"<i{width}").astype("<f8") / float(10**digits)).astype(f"<f{w}").view(f"<u{w}")
    data = np.moveaxis(data, 0, -1) if planes else data
    return (data.byteswap() if big else data).tobytes()


def segments(stored, codec, length, pco, what):
    n = int.from_bytes(stored[:2], "little")
    at = 2 + 8 * n
    sizes = list(struct.iter_unpack("<II", stored[2:at])) if len(stored) >= at else []
    fits = [sum(column) for column in zip(*sizes)] == [length, len(stored) - at]
    need(fits and all(0 < here <= size for size, here in sizes), f"{what}: its segments do not add up")
    for size, here in sizes:
        part, at = stored[at : at + here], at + here
        try:
            found = part if here == size else unpacked(codec, part, size, pco)
        except (ImportError, MemoryError):
            raise
        except Exception as error:
            raise FormatError("malformed", f"{what}: codec {codec}: {error}") from None
        need(len(found) == size, f"{what}: a segment of codec {codec} is not of {size} bytes, or bytes are left over")
        yield found


def unpacked(codec, part, size, pco):
    """What a segment holds; nothing where bytes are left over."""
    if codec == 1:
        try:
            from lz4.block import decompress
        except ImportError:
            return slow_lz4(part, size)
        return decompress(part, uncompressed_size=size)
    if codec == 4:
        decompress = package("pcodec.standalone", "pcodec").simple_decompress_into
        array = np.empty(size // int(pco[2]), pco)
        done = decompress(part, array)
        try:
            decompress(part[:-1], array.copy())
        except RuntimeError:  # As it should: pcodec passes over bytes behind the end, and the last one was needed.
            return array[: done.n_processed].tobytes() if done.finished else b""
        return b""
    if codec == 2 and sys.version_info < (3, 14):
        zstandard = package("zstandard", "zstandard, or Python 3.14")
        said = zstandard.frame_content_size(part)
        return zstandard.ZstdDecompressor().decompress(part, allow_extra_data=False) if said == size else b""
    zstd = package("compression.zstd", "") if codec == 2 else None
    stream = zstd.ZstdDecompressor() if zstd else zlib.decompressobj(-15)
    found = stream.decompress(part, size + 1)
    said = zstd.get_frame_info(part).decompressed_size if zstd else size
    return found if stream.eof and not stream.unused_data and said == size else b""


def package(module, name):
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"to decompress this file, install the package {name}") from error


def slow_lz4(part, size):
    out, at = bytearray(), 0
    while True:
        token, at = part[at], at + 1
        n, at = lz4_length(token >> 4, part, at)
        out, at = out + part[at : at + n], at + n
        if at >= len(part):
            return bytes(out) if at == len(part) else b""
        offset = int.from_bytes(part[at : at + 2], "little")
        n, at = lz4_length(token & 15, part, at + 2)
        need(0 < offset <= len(out) and len(out) + n + 4 <= size, "a match that is not in the segment")
        out += (out[-offset:] * (-(-(n + 4) // offset)))[: n + 4]


def lz4_length(n, part, at):
    more = 255 * (n == 15)
    while more == 255:
        more, at = part[at], at + 1
        n += more
    return n, at


if __name__ == "__main__":
    found = read_with(sys.argv[1])
    print(f"{found.dtype or found.array.dtype}, shape {found.array.shape}, order {found.order}, {found.state}")
    print(found.array)
