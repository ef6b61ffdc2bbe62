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
import json
import math
import re
import struct
import sys
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

NPY, FRAME, TAIL, INDEX = b"\x93NUMPY", b"\x89NDBF\r\n\x1a", b"\x89NDBT\r\n\x1a", b"\x89NDBI\r\n\x1a"
MIB, MOST = 1 << 20, 2**63 - 1


class FormatError(ValueError):
    """`kind` is malformed, truncated, checksum, unsupported or limit (section 1)."""

    def __init__(self, kind, message):
        super().__init__(f"{kind}: {message}")
        self.kind = kind


class Found(NamedTuple):
    array: np.ndarray
    state: str  # "verified"; "unchecked": a bare .npy; "open": a writer did not finish, and nothing was compared.
    order: str  # "C" or "F"
    dtype: str | None  # In the spelling of section 2; None where the header of a .npy says all of it.
    name: str | None
    attrs: dict | None


def read(source):
    return read_with(source).array


def read_with(source, require_checksum=False):
    file = Input(bytes(source) if isinstance(source, (bytes, bytearray, memoryview)) else Path(source).read_bytes())
    for magic, reader in (NPY, read_npy), (FRAME, read_frame):
        if file.data.startswith(magic[: len(file.data)]):
            dtype, shape, order, data, state, spelling, said = reader(file, require_checksum)
            check(file.at == len(file.data), "malformed", "bytes behind the end of the array")
            array = np.ndarray(shape, dtype, bytearray(data), order=order)
            return Found(array, state, order, spelling, said.get("name"), said.get("attrs"))
    raise FormatError("malformed", f"neither .npy nor .ndb: it begins with {file.data[:8]}")


class Input:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n, what):
        end = self.at + n
        check(end <= len(self.data), "truncated", f"it ends at byte {len(self.data)}, {what} at {end}")
        part, self.at = self.data[self.at : end], end
        return part


def check(holds, kind, message):
    if not holds:
        raise FormatError(kind, message)


def limited(what, n, most=2**31 - 1):
    check(n <= most, "limit", f"{what}: {n}, at most {most}")
    return n


# ---- CRC-32C (section 1): of each byte alone, then of two, of four: that of a + b is a's moved past b, xor b's.


def crc32c(data):
    crcs = SHIFTS[0][0][np.frombuffer(START + data, "u1")]
    for shift in SHIFTS:
        if len(crcs) == 1:
            return int(crcs[0]) ^ 0xFFFFFFFF
        crcs = crcs if len(crcs) % 2 == 0 else np.append(np.uint32(0), crcs)
        crcs = moved(crcs[::2], shift) ^ crcs[1::2]


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


def crc_bytes(data):
    return struct.pack("<I", crc32c(data))


def unsealed(part, what):
    """The part without its last four bytes, which are its CRC."""
    check(len(part) >= 4 and part[-4:] == crc_bytes(part[:-4]), "checksum", f"{what} is damaged")
    return part[:-4]


# ---- .npy and its tail (sections 3 to 5)

TAIL_HEADER = b"\x93NUMPY\1\0v\0{'descr': '|u1', 'fortran_order': False, 'shape': ("
NO_TAIL = "bytes behind the array that are no tail"


def read_npy(file, required):
    version = file.take(8, "the magic ends")[6:]
    check(version in (b"\1\0", b"\2\0", b"\3\0"), "unsupported", f"npy version {version}")
    length = int.from_bytes(file.take(2 if version[0] == 1 else 4, "the header begins"), "little")
    text = file.take(limited("bytes of the header", length, MIB), "the header ends")
    try:
        text = text.decode("utf8" if version[0] == 3 else "latin1").strip()
        keys, fields = [key.value for key in ast.parse(text, mode="eval").body.keys], ast.literal_eval(text)
        dtype, shape, fortran = np.lib.format.descr_to_dtype(fields["descr"]), fields["shape"], fields["fortran_order"]
    except (ValueError, TypeError, KeyError, AttributeError, SyntaxError, RecursionError, MemoryError) as error:
        raise FormatError("malformed", f"the npy header: {error}") from None
    check(len(keys) == 3 and type(fortran) is bool, "malformed", f"the npy header: {text}")
    check(not dtype.hasobject, "unsupported", "an object dtype, which means pickle")
    header, metadata, state = file.data[: file.at], {}, "unchecked"
    data = file.take(size_of(dtype.itemsize, shape, tuple), "the data end")
    if file.at < len(file.data):
        lead, known = file.data[file.at : file.at + 128], len(TAIL_HEADER)
        n = int((re.compile(rb"[1-9][0-9]{0,18}(?=,)").match(lead, known) or [b"0"])[0])
        fits = lead == (TAIL_HEADER + b"%d,), }" % n).ljust(127) + b"\n" and n >= tail_length(data)
        check(fits or len(lead) < 128 and lead[:known] == TAIL_HEADER[: len(lead)], "malformed", NO_TAIL)
        file.take(128, "the tail's header ends")
        limited("bytes of the tail's metadata", n - tail_length(data), MIB)
        record = file.take(n, "the tail ends")
        check(record.startswith(TAIL), "malformed", NO_TAIL)
        state, text = read_record(record, header, data, required, lead)
        metadata = json_object(text, ["dtype", "name", "attrs"]) if text else {}
    check(state != "unchecked" or not required, "truncated", "there is no tail")
    spelling = metadata.get("dtype")
    check(spelling is None or dtype_of(spelling) == dtype, "malformed", f"{spelling} is not the dtype of the header")
    return dtype, shape, "F" if fortran else "C", data, state, spelling, metadata


def size_of(itemsize, shape, sequence):
    """The bytes of an array, whose shape and size are held to the limits of section 1."""
    fits = type(shape) is sequence and len(shape) <= 64 and all(type(n) is int and 0 <= n <= MOST for n in shape)
    check(fits, "malformed", f"shape {shape}")
    limited("bytes of the array", max(itemsize, 1) * math.prod(n or 1 for n in shape), MOST)
    return itemsize * math.prod(shape)


def tail_length(data):
    return 40 + 4 * -(-len(data) // MIB)


def read_record(record, header, data, required, lead=b""):
    """State and metadata (section 3)."""
    m = int.from_bytes(record[28:32], "little")
    unsealed((lead + record)[: len(lead) + 36 + m] if 36 + m <= len(record) else b"", "the tail")
    magic, version, state, zero, crc, length, block = struct.unpack("<8sBBHIQI", record[:28])
    check(magic == TAIL, "malformed", NO_TAIL)
    check(version == zero == 0 and state <= 1, "unsupported", f"a tail of version {version}, state {state}, {zero}")
    fits = (length, block, len(record)) == (len(data), MIB, tail_length(data) + m) and (lead or m == 0)
    check(fits, "malformed", f"a tail for {length} bytes in blocks of {block}")
    check(state == 0 or not required, "truncated", "a writer did not finish")
    if state == 0:
        sums = unsealed(record[36 + m :], "the tail")
        check(crc == crc32c(header), "checksum", "the header is damaged, or the tail is another array's")
        for i in range(len(sums) // 4):
            check(sums[4 * i :][:4] == crc_bytes(data[i * MIB :][:MIB]), "checksum", f"MiB {i} of the data is damaged")
    return ["verified", "open"][state], record[32 : 32 + m]


# ---- The JSON object and the dtype of a header (sections 1 and 2)


def json_object(text, keys):
    """The members with these keys."""
    try:
        text, depth, objects = text.decode(), 0, []
        for bracket in re.findall(r"[][{}]", re.sub(r'"(\\.|[^"\\])*"', "", text)):
            depth += 1 if bracket in "[{" else -1
            check(depth <= 64, "malformed", "brackets nest more than 64 deep")
        said = json.loads(
            text,
            object_pairs_hook=lambda pairs: objects.append([key for key, _ in pairs]) or dict(pairs),
            parse_int=lambda digits: int(digits) if digits != "-0" and len(digits) < 4000 else float(digits),
            parse_constant=[].index,  # Fails: NaN is not JSON.
        )
        check(type(said) is dict, "malformed", "no JSON object")
        own = [key for key in objects[-1] if key in keys]
        for key in own:
            fits = type(said[key]) is {"attrs": dict, "shape": list, "block": list}.get(key, str)
            check(fits and own.count(key) == 1, "malformed", f"the key {key}, or it stands twice")
            (said[key] if type(said[key]) is str else "").encode()  # Fails for half a character.
        return {key: said[key] for key in own}
    except FormatError:
        raise
    except ValueError as error:
        raise FormatError("malformed", f"the JSON text: {error}") from None


NUMBER, ESCAPE = "(?:0|[1-9][0-9]*)", r"""\\(?:[\\'"nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})"""
NAME = rf"""[A-Za-z0-9_]+|'(?:[^'\\\n\r\0]|{ESCAPE})*'|"(?:[^"\\\n\r\0]|{ESCAPE})*\""""
FIELD = re.compile(rf"(?:(?P<title>{NAME})=)?(?P<name>{NAME}):|:\|V(?P<gap>{NUMBER})")
PLACE = re.compile(rf"(?P<axes>(\[{NUMBER}(,{NUMBER})*\])*)(@(?P<offset>{NUMBER}))?")
EXTENSION = r"(?P<V2>>?bfloat16)|(?P<V1>float8_(e3m4|e4m3(b11fnuz|fn|fnuz)?|e5m2(fnuz)?|e8m0fnu))"
TIME = r"[<>][Mm]8(\[(?P<count>[1-9][0-9]*)?(Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?"
SIZED = rf"((?P<sign>[<>])U|\|[SV])(?P<n>{NUMBER})"
TYPE = re.compile(rf"({EXTENSION}|{TIME}|{SIZED}|\|[biu]1|[<>]([iuf][248]|f16|c8|c16|c32))(?!\w)", re.A)


def dtype_of(text):
    """The NumPy dtype of a spelling, of which each dtype has one."""
    try:
        dtype, _, count, end = type_at(text, 0)
    except RecursionError:
        raise FormatError("limit", "levels of records") from None
    limited("fields", count, 4096)
    check(end == len(text), "malformed", f"dtype {text!r}, behind character {end}")
    return dtype


def type_at(text, at):
    """NumPy dtype, levels of records, number of fields, where it ends."""
    if not text.startswith("{", at):
        found = matched(TYPE, text, at)
        check(2 <= number(found["count"] or "2") < 2**31, "malformed", f"the unit of {found[0]}")
        limited("bytes of an item", number(found["n"] or "0") * (4 if found["sign"] else 1))
        raw = found[0][1:] in ("f16", "c32") and np.dtype("longdouble").itemsize != 16 and f"V{found[0][2:]}"
        return np.dtype("V2" if found["V2"] else "V1" if found["V1"] else raw or found[0]), 0, 0, found.end()
    fields, at, gap, levels, count = [], at + 1, False, 1, 0
    end, size, apart = 0, 0, True
    while not text.startswith("}", at):
        at = matched(re.compile(","), text, at).end() if fields or gap else at
        field = matched(FIELD, text, at)
        if field["gap"]:
            check(not gap and field["gap"] != "0", "malformed", f"a gap of the dtype {text!r}")
            size = end = limited("bytes of an item", end + number(field["gap"]))
            at, gap = field.end(), True
            continue
        dtype, inner, more, at = type_at(text, field.end())
        place = matched(PLACE, text, at)
        pairs, at, gap = re.findall(r"\[(.*?)\]", place["axes"]), place.end(), False
        for pair in pairs:
            axes = [number(n) for n in pair.split(",")]
            check(dtype.itemsize and len(axes) <= 64, "malformed", f"brackets of the dtype {text!r}")
            limited("bytes of an item", dtype.itemsize * math.prod(n or 1 for n in axes))
            dtype = np.dtype((dtype, tuple(axes)))
        start = number(place["offset"] or str(end))
        apart, end = apart and start >= end, start + dtype.itemsize
        size = limited("bytes of an item", max(size, end))
        levels, count = limited("levels of records", max(levels, 1 + inner + len(pairs[1:])), 16), count + more + 1
        fields.append((name_of(field["name"]), field["title"] and name_of(field["title"]), dtype, start, place["offset"]))
    names, titles, dtypes, starts, offsets = zip(*fields) if fields else [()] * 5
    slash = matched(re.compile(rf"}}(?:/({NUMBER}))?"), text, at)
    least, size = size, number(slash[1] or str(size))
    every = [name for name in names + titles if name is not None]
    fits = all((offset is None) == apart for offset in (*offsets, slash[1])) and len(set(every)) == len(every)
    check(fits and least <= size, "malformed", f"fields of the dtype {text!r}")
    record = {"names": names, "titles": titles, "formats": dtypes, "offsets": starts, "itemsize": limited("bytes", size)}
    return np.dtype(record), levels, count, slash.end()


def matched(pattern, text, at):
    found = pattern.match(text, at)
    check(found, "malformed", f"dtype {text!r}, at character {at}")
    return found


def number(digits):
    return limited("a number", int(digits[:20]), MOST)


def name_of(word):
    """The name in a word of a spelling, which stands in quotes only where it must and is escaped as `repr` does."""
    try:
        name = ast.literal_eval(word) if word[0] in "'\"" else word
        written = name if re.fullmatch("[A-Za-z0-9_]+", name) else ascii(name)
        check(written == word.encode("ascii", "backslashreplace").decode(), "malformed", f"the name {word}")
        return name.encode().decode()
    except (SyntaxError, UnicodeEncodeError):
        raise FormatError("malformed", f"the name {word}") from None


# ---- The frame (sections 6 and 7)


def read_frame(file, required):
    file.take(16, "the header's length ends")
    h = limited("bytes of the header", int.from_bytes(file.data[12:16], "little"), MIB)
    check(h >= 64 and h % 64 == 0, "malformed", f"a header of {h} bytes")
    file.take(h - 16, "the header ends")
    header = unsealed(file.data[:h], "the header")
    version, flags, filter, codec, _, d = struct.unpack("<BBBBIQ", header[8:24])
    known = version == 0 and (flags == 1 or flags == filter == codec == 0)
    check(known, "unsupported", f"version {version}, flags {flags}, filter {filter}, codec {codec}")
    said = json_object(header[24:], ["dtype", "shape", "order", "name", "attrs"] + flags * ["block"])
    order = said.get("order", "C")
    check({"dtype", "shape"} <= said.keys() and order in ("C", "F"), "malformed", "dtype, shape or order")
    dtype, shape = dtype_of(said["dtype"]), said["shape"]
    check(size_of(dtype.itemsize, shape, list) == d, "malformed", f"{d} bytes are not those of dtype and shape")
    if flags:
        data, state = read_blocks(file, header, said, dtype.itemsize), "verified"
    else:
        data = file.take(d, "the data end")
        state, _ = read_record(file.take(tail_length(data), "the tail ends"), header, data, required)
    return dtype, shape, order, data, state, said["dtype"], said


# ---- The coded frame (sections 8 and 9)


def read_blocks(file, header, said, itemsize):
    """The data as they lie in the array."""
    turn = slice(None, None, -1 if said.get("order") == "F" else 1)
    shape, lengths, element = said["shape"][turn], said.get("block", [])[turn], element_of(said["dtype"], itemsize)
    fits = len(lengths) == len(shape) and all(type(b) is int and 1 <= b <= max(n, 1) for b, n in zip(lengths, shape))
    size, d = itemsize * math.prod(lengths) if fits else 0, itemsize * math.prod(shape)
    fits = fits and "block" in said and (size <= 16 * MIB or math.prod(lengths) == 1)
    check(fits, "malformed", f"blocks of {lengths} for {shape}")
    check_numbers("the header", *header[10:12])
    grid = [-(-n // b) for n, b in zip(shape, lengths)]
    count = math.prod(grid) if d else 0
    blocks, entries = [], []
    for index in range(count):
        what, at = f"block {index} of 0 to {count - 1}", file.at
        head = unsealed(file.take(24, f"the header of {what} ends"), what)
        starts = [int(i) * b for i, b in zip(np.unravel_index(index, grid), lengths)]
        box = [min(b, n - i) for i, b, n in zip(starts, lengths, shape)]
        s, filter, codec, zero, rows, stored_crc, crc = struct.unpack("<IBBHIII", head)
        check_numbers(what, filter, codec, zero)
        size = itemsize * math.prod(box)
        fits = rows == (box or [1])[0] and (s <= size if codec else s == size and filter == 0)
        check(fits, "malformed", f"{what}: {s} bytes, {rows} rows, filter {filter}, codec {codec}")
        stored = file.take(s, f"{what} ends")
        check(crc32c(stored) == stored_crc, "checksum", f"{what} is damaged")
        items = decoded(stored, filter, codec, box, element, what) if codec else stored
        check(crc32c(items) == crc, "checksum", f"{what} does not hold the items that were written")
        blocks.append((tuple(slice(i, i + n) for i, n in zip(starts, box)), np.ndarray(box, f"V{itemsize}", items)))
        entries.append(struct.pack("<QIIII", at, s, rows, stored_crc, crc))
    read_index(file, header, b"".join(entries), struct.pack("<QQQQQ", count, (shape or [1])[0], d, file.at, 0))
    data = bytearray(d)
    for place, block in blocks:
        np.ndarray(shape, block.dtype, data)[place] = block
    return data


def check_numbers(what, filter, codec, zero=0):
    known = codec <= 4 and filter < 128 and filter & 3 < 3 and filter >> 2 & 7 < 5 and zero == 0
    check(known, "unsupported", f"{what}: filter {filter}, codec {codec}, {zero}")


def read_index(file, header, entries, numbers):
    written, page = file.take(len(entries), "the index's pages end"), 24 * 1024
    pages = [written[at : at + page] for at in range(0, len(written), page)]
    sums, footer = file.take(4 * len(pages), "its CRCs end"), unsealed(file.take(64, "the index ends"), "the index")
    check(footer[:8] == INDEX, "malformed", "no index behind the blocks")
    check(footer[8:12] == bytes(4), "unsupported", f"an index of version {footer[8]}, {footer[9:12]}")
    check(footer[12:16] == crc_bytes(header), "checksum", "header and index are of different frames")
    check(footer[16:56] == numbers, "malformed", "the index is for another number of blocks, or of bytes")
    check(footer[56:] == crc_bytes(sums), "checksum", "the index is damaged")
    check(sums == b"".join(map(crc_bytes, pages)), "checksum", "the index is damaged")
    check(written == entries, "checksum", "the index does not say of the blocks what they do")


def element_of(spelling, itemsize):
    """What a filter works on: bytes of an element, elements of an item, pco's type, whether it is big-endian."""
    word, big = spelling.lstrip("<>|"), spelling[0] == ">"
    if word[0] in "{SV" or word in ("f16", "c32"):
        return 1, itemsize, None, False
    if word[0] in "Uc":
        return (4, itemsize // 4, None, big) if word[0] == "U" else (itemsize // 2, 2, f"<f{itemsize // 2}", big)
    pco = re.match(r"([iuf][248]|[Mm]8)\b(?!_)", word)
    return itemsize, 1, "<" + re.sub("[Mm]", "i", pco[1]) if pco else None, big


def decoded(stored, filter, codec, box, element, what):
    """The items of a block: the parts of its filter are undone, the last one first."""
    arrange, predict, planes, decimal = filter & 3, filter >> 2 & 7, filter >> 5 & 1, filter >> 6
    w, m, pco, big = element
    box = box + [m] * (m != 1)
    box, axes = box[-1:] + box[:-1] if planes else box, [(), (-1,), (-1, -2), (-1, -2, -3), (-2,)][predict]
    check(not decimal or len(stored) >= 2 and pco in ("<f4", "<f8"), "malformed", f"{what}: filter {filter}")
    digits, width, stored = (stored[0], stored[1], stored[2:]) if decimal else (0, w, stored)
    fits = len(box) >= max(2 * planes, -min(axes, default=0)) and digits <= 22 and width in (1, 2, 4, 8, w) and width <= w
    pco = f"<u{width}" if decimal or predict else pco
    fits = fits and (codec != 4 or arrange == 0 and pco and width > 1)
    check(fits, "malformed", f"{what}: filter {filter} for a box of {box}")
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
    sizes, at = list(struct.iter_unpack("<II", stored[2 : 2 + 8 * n] if len(stored) >= 2 + 8 * n else b"")), 2 + 8 * n
    sums = [sum(lengths) for lengths in zip(*sizes)]
    fits = sums == [length, len(stored) - at] and all(0 < here <= size for size, here in sizes)
    check(fits, "malformed", f"{what}: its segments do not add up")
    for size, here in sizes:
        part, at = stored[at : at + here], at + here
        try:
            found, complete = (part, True) if here == size else unpacked(codec, part, size, pco)
        except (ImportError, MemoryError):
            raise
        except Exception as error:
            raise FormatError("malformed", f"{what}: codec {codec}: {error}") from None
        check(complete and len(found) == size, "malformed", f"{what}: codec {codec}: another length, or bytes left over")
        yield found


def unpacked(codec, part, size, pco):
    """What a segment holds, and whether nothing is left over."""
    if codec == 1:
        try:
            from lz4.block import decompress
        except ImportError:
            return slow_lz4(part, size), True
        return decompress(part, uncompressed_size=size), True
    if codec == 3:
        stream = zlib.decompressobj(-15)
        return stream.decompress(part, size + 1), stream.eof and not stream.unused_data
    if codec == 4:
        from pcodec.standalone import simple_decompress_into
        array = np.empty(size // np.dtype(pco).itemsize, pco)
        done = simple_decompress_into(part, array)
        try:
            simple_decompress_into(part[:-1], array.copy())
        except RuntimeError:  # As it should be: pcodec passes over bytes behind the end, and the last one was needed.
            return array[: done.n_processed].tobytes(), done.finished
        return array.tobytes(), False
    try:
        from compression import zstd
        stream, said = zstd.ZstdDecompressor(), zstd.get_frame_info(part).decompressed_size
        return stream.decompress(part, size + 1), said == size and stream.eof and not stream.unused_data
    except ImportError:
        import zstandard
        said = zstandard.frame_content_size(part)
        return zstandard.ZstdDecompressor().decompress(part, allow_extra_data=False) if said == size else b"", True


def slow_lz4(part, size):
    out, at = bytearray(), 0

    def length(n):
        nonlocal at
        more = 255 if n == 15 else 0
        while more == 255:
            more, at = part[at], at + 1
            n += more
        return n

    while True:
        token, at = part[at], at + 1
        n = length(token >> 4)
        out, at = out + part[at : at + n], at + n
        if at >= len(part):
            return bytes(out) if at == len(part) else b""
        offset, at = part[at] | part[at + 1] << 8, at + 2
        n = 4 + length(token & 15)
        if not 0 < offset <= len(out) or len(out) + n > size:
            raise ValueError("a match outside of the segment")
        back = out[-offset:][:n]
        out += (back * -(-n // len(back)))[:n]


if __name__ == "__main__":
    said = read_with(sys.argv[1])
    print(f"{said.dtype or said.array.dtype}, shape {said.array.shape}, order {said.order}, {said.state}")
    print(said.array)
