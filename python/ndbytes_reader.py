"""Reads what ndbytes wrote, without ndbytes: this one file, NumPy, and for some codecs the packages named below.

    array = ndbytes_reader.read("counts.ndb")         a .npy or .ndb file, by its path or as bytes
    found = ndbytes_reader.read_with("counts.ndb")    found.array, and what else the file says of it

It is written from spec/FORMAT.md alone, whose sections it names. Blocks in zstd need the package `zstandard` or
Python 3.14, those in pco the package `pcodec`. The file is read whole, and what is damaged or breaks a rule is a
FormatError, never an array. Items of bfloat16 and float8 come as raw bytes ("V2", "V1"), which
`array.view(ml_dtypes.bfloat16)` turns into numbers. From a shell: python ndbytes_reader.py FILE
"""

import ast
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
TAIL_HEADER = re.compile(rb"\x93NUMPY\x01\x00v\x00{'descr': '\|u1', 'fortran_order': False, 'shape': \(([1-9]\d*),\), } *\n")
MIB, MOST = 1 << 20, 2**63 - 1

# state is "verified", "unchecked" (a bare .npy) or "open" (a writer did not finish; nothing was compared). dtype is in
# the spelling of section 2, or None where the header of a .npy says all of it.
Found = namedtuple("Found", "array state order dtype name attrs")


class FormatError(ValueError):
    """`kind` is malformed, truncated, checksum, unsupported or limit (section 1)."""

    def __init__(self, kind, message):
        super().__init__(f"{kind}: {message}")
        self.kind = kind


def need(holds, message, kind="malformed"):
    if not holds:
        raise FormatError(kind, message)


def limited(what, n, most=2**31 - 1):
    need(n <= most, f"{what}: {n}, at most {most}", "limit")
    return n


def read(source):
    return read_with(source).array


def read_with(source, require_checksum=False):
    data = bytes(source) if isinstance(source, (bytes, bytearray, memoryview)) else Path(source).read_bytes()
    file = File(data)
    try:
        dtype, shape, order, items, state, said = (file.npy if NPY.startswith(data[:6]) else file.frame)(require_checksum)
        need(file.at == len(data), "bytes behind the end")
    except (FormatError, ImportError, MemoryError):
        raise
    except Exception as error:  # Of Python's own parsers, NumPy's, or a codec's.
        kind = "limit" if isinstance(error, RecursionError) else "malformed"
        raise FormatError(kind, f"in or before byte {file.at}: {error}") from error
    array = np.ndarray(shape, dtype, bytearray(items), order=order)
    return Found(array, state, order, *map(said.get, ("dtype", "name", "attrs")))


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


START = bytes.fromhex("54641f64")  # It turns a CRC of 0 into the initial value.
BYTES = TABLE = np.arange(256, dtype="u4")
for _ in range(8):
    TABLE = TABLE >> 1 ^ (TABLE & 1) * np.uint32(0x82F63B78)
SHIFTS = [np.stack([TABLE, BYTES, BYTES << 8, BYTES << 16])]  # What a CRC's bytes become behind 1, 2, 4, ... zeros.
for _ in range(35):
    SHIFTS.append(moved(SHIFTS[-1], SHIFTS[-1]))


def unsealed(part, what):
    """The part without its last four bytes, which are its CRC."""
    need(len(part) >= 4 and part[-4:] == crc32c(part[:-4]), f"{what} is damaged", "checksum")
    return part[:-4]


def compare(crcs, data, length, what):
    """The CRCs of all pieces of this length."""
    for i, at in enumerate(range(0, len(data), length)):
        need(crcs[4 * i :][:4] == crc32c(data[at : at + length]), f"{what} {i} is damaged", "checksum")


class Input:
    """Bytes that are taken from the front on."""

    def __init__(self, data, kind="truncated"):
        self.data, self.at, self.kind = data, 0, kind

    def take(self, n):
        start, self.at = self.at, self.at + n
        need(self.at <= len(self.data), f"{len(self.data)} bytes, not the {self.at} that are needed", self.kind)
        return self.data[start : self.at]

    def unpack(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))


class File(Input):
    def npy(self, required):
        """Dtype, shape, order, data, state, and what a JSON object says (sections 4 and 5)."""
        version = self.take(8)[6:]
        need(version in (b"\1\0", b"\2\0", b"\3\0"), f"npy version {version}", "unsupported")
        text = self.take(limited("bytes of the header", *self.unpack("<H" if version[0] == 1 else "<I"), MIB))
        tree = ast.parse(text.decode("utf8" if version[0] == 3 else "latin1").strip(), mode="eval")
        fields, keys = ast.literal_eval(tree), tree.body.keys
        dtype, shape, fortran = np.lib.format.descr_to_dtype(fields["descr"]), fields["shape"], fields["fortran_order"]
        need(len(keys) == 3 and type(fortran) is bool and type(shape) is tuple, f"the npy header: {text}")
        need(not dtype.hasobject, "an object dtype, which means pickle", "unsupported")
        header, said, state = self.data[: self.at], {}, "unchecked"
        data = self.take(size_of(dtype, shape))
        if self.at < len(self.data):
            lead, least = self.take(128), 40 + 4 * -(-len(data) // MIB)
            found = TAIL_HEADER.fullmatch(lead)
            need(found and int(found[1]) >= least, "bytes behind the array that are no tail")
            tail = self.take(limited("bytes of the tail", int(found[1]), least + MIB))
            need(tail[:8] == TAIL, "bytes behind the array that are no tail")
            state, text = sums_record(tail, header, data, required, lead)
            said = json_object(text, {"dtype": str, "name": str, "attrs": dict}) if text else {}
        need(state != "unchecked" or not required, "there is no tail", "truncated")
        need("dtype" not in said or dtype_of(said["dtype"]) == dtype, f"the dtype of the header is not that of {said}")
        return dtype, shape, "F" if fortran else "C", data, state, said

    def frame(self, required):
        """The same of a frame (sections 6 to 9)."""
        need(FRAME.startswith(self.data[:8]), f"neither .npy nor .ndb: it begins with {self.data[:8]}")
        h = limited("bytes of the header", *self.unpack("<12xI"), MIB)
        need(h >= 64 and h % 64 == 0, f"a header of {h} bytes")
        header = unsealed(self.data[:16] + self.take(h - 16), "the header")
        version, flags, filter, codec, d = struct.unpack("<BBBB4xQ", header[8:24])
        fits = version == 0 and (flags == 1 or flags == filter == codec == 0)
        need(fits, f"version {version}, flags {flags}, filter {filter}, codec {codec}", "unsupported")
        types = {"dtype": str, "shape": list, "order": str, "block": list if flags else object, "name": str, "attrs": dict}
        said = {"order": "C"} | json_object(header[24:], types)
        dtype, shape = dtype_of(said["dtype"]), said["shape"]
        need(said["order"] in ("C", "F") and size_of(dtype, shape) == d, f"{d} bytes of {said}")
        if flags:
            return dtype, shape, said["order"], self.blocks(header, said, dtype.itemsize), "verified", said
        data = self.take(d)
        state, _ = sums_record(self.take(40 + 4 * -(-d // MIB)), header, data, required)
        return dtype, shape, said["order"], data, state, said

    def blocks(self, header, said, itemsize):
        """The data of a coded frame."""
        turn = slice(None, None, -1 if said["order"] == "F" else 1)
        shape, lengths = said["shape"][turn], said["block"][turn]
        fits = len(lengths) == len(shape) and all(type(b) is int and 1 <= b <= max(n, 1) for b, n in zip(lengths, shape))
        fits = fits and (math.prod(lengths) == 1 or itemsize * math.prod(lengths) <= 16 * MIB)
        need(fits, f"blocks of {lengths} for {shape}")
        need(known(*header[10:12]), f"filter {header[10]}, codec {header[11]}", "unsupported")
        d, grid = itemsize * math.prod(shape), [-(-n // b) for n, b in zip(shape, lengths)]
        blocks, entries, count = [], b"", math.prod(grid) if d else 0
        for index in range(count):
            starts = [int(i) * b for i, b in zip(np.unravel_index(index, grid), lengths)]
            place = tuple(slice(i, min(i + b, n)) for i, b, n in zip(starts, lengths, shape))
            box, at = [part.stop - part.start for part in place], self.at
            items, entry = self.block(f"block {index} of 0 to {count - 1}", box, said["dtype"], itemsize)
            blocks.append((place, np.ndarray(box, f"V{itemsize}", items)))
            entries += struct.pack("<Q", at) + entry
        self.index(header, entries, struct.pack("<QQQQQ", count, (shape or [1])[0], d, self.at, 0))
        data = bytearray(d)
        for place, block in blocks:
            np.ndarray(shape, block.dtype, data)[place] = block
        return data

    def block(self, what, box, dtype, itemsize):
        """The items, and what the index must say of them."""
        s, filter, codec, zero, rows, stored_crc, crc = struct.unpack("<IBBHI4s4s", unsealed(self.take(24), what))
        need(known(filter, codec) and zero == 0, f"{what}: filter {filter}, codec {codec}, {zero}", "unsupported")
        size = itemsize * math.prod(box)
        fits = rows == (box or [1])[0] and (s <= size if codec else s == size and filter == 0)
        need(fits, f"{what}: {s} bytes, {rows} rows, filter {filter}, codec {codec}")
        stored = self.take(s)
        need(crc32c(stored) == stored_crc, f"{what} is damaged", "checksum")
        items = decoded(Input(stored, "malformed"), filter, codec, box, dtype, itemsize) if codec else stored
        need(crc32c(items) == crc, f"{what} does not hold the items that were written", "checksum")
        return items, struct.pack("<II4s4s", s, rows, stored_crc, crc)

    def index(self, header, entries, numbers):
        written, crcs = self.take(len(entries)), self.take(4 * -(-len(entries) // 24576))
        footer = unsealed(self.take(64), "the index")
        need(footer[:8] == INDEX, "no index behind the blocks")
        need(footer[8:12] == bytes(4), f"an index of version {footer[8]}, {footer[9:12]}", "unsupported")
        need(footer[12:16] == crc32c(header), "header and index are of different frames", "checksum")
        need(footer[16:56] == numbers, "the index is for another number of blocks, or of bytes")
        need(footer[56:] == crc32c(crcs), "the index is damaged", "checksum")
        compare(crcs, written, 24576, "of the index, page")
        need(written == entries, "the index does not say of the blocks what they do", "checksum")


def known(filter, codec):
    return codec <= 4 and filter < 128 and filter & 3 < 3 and filter >> 2 & 7 < 5


def size_of(dtype, shape):
    """The bytes of an array, whose shape and size are held to the limits of section 1."""
    need(len(shape) <= 64 and all(type(n) is int and 0 <= n <= MOST for n in shape), f"shape {shape}")
    limited("bytes of the array", max(dtype.itemsize, 1) * math.prod(n or 1 for n in shape), MOST)
    return dtype.itemsize * math.prod(shape)


def sums_record(record, header, data, required, lead=b""):
    """State and metadata (section 3)."""
    m = int.from_bytes(record[28:32], "little")
    unsealed((lead + record)[: len(lead) + 36 + m] if 36 + m <= len(record) else b"", "the tail")
    magic, version, state, zero, crc, length, block = struct.unpack("<8sBBH4sQI", record[:28])
    need(magic == TAIL, "no tail behind the data")
    need(version == zero == 0 and state <= 1, f"a tail of version {version}, state {state}, {zero}", "unsupported")
    fits = (length, block, len(record)) == (len(data), MIB, 40 + m + 4 * -(-len(data) // MIB)) and (lead or m == 0)
    need(fits, f"a tail for {length} bytes in blocks of {block}")
    need(state == 0 or not required, "a writer did not finish", "truncated")
    if state == 0:
        crcs = unsealed(record[36 + m :], "the tail")
        need(crc == crc32c(header), "the header is damaged, or the tail is another array's", "checksum")
        compare(crcs, data, MIB, "of the data, MiB")
    return ["verified", "open"][state], record[32 : 32 + m]


# ---- The stored bytes of a block (section 8)


def decoded(stored, filter, codec, box, dtype, itemsize):
    """The items: the parts of the filter are undone, the last one first."""
    arrange, predict, planes, decimal = filter & 3, filter >> 2 & 7, filter >> 5 & 1, filter >> 6
    w, m, pco = element_of(dtype.lstrip("<>|"), itemsize)
    box = box + [m] * (m != 1)
    box, axes = box[-1:] + box[:-1] if planes else box, [(), (-1,), (-1, -2), (-1, -2, -3), (-2,)][predict]
    fits = len(box) >= max(2 * planes, -min(axes, default=0)) and (not decimal or pco in ("<f4", "<f8"))
    need(fits, f"filter {filter} for a box of {box}, {dtype}")
    digits, width, e = stored.unpack("<BBH") if decimal else (0, w, 0)
    listed, n = np.frombuffer(stored.take(e * (4 + w)), [("place", "<u4"), ("bits", f"V{w}")]), math.prod(box)
    bounds = [-1, *listed["place"].tolist(), n]
    pco = f"<u{width}" if decimal or predict else pco
    fits = digits <= 22 and (width == w or width in (1, 2, 4) and width < w) and bounds == sorted(set(bounds))
    need(fits, f"decimals of {digits} digits in {width} bytes, with exceptions {bounds[1:-1]} of {n}")
    need(codec != 4 or arrange == 0 and pco and width > 1, f"pco with filter {filter} for {dtype}")
    data = np.frombuffer(b"".join(segments(stored, codec, n * width, pco)), "u1")
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
        data.flat[bounds[1:-1]] = np.frombuffer(listed["bits"].tobytes(), data.dtype)
    data = np.moveaxis(data, 0, -1) if planes else data
    return (data.byteswap() if dtype[0] == ">" else data).tobytes()


def element_of(word, itemsize):
    """What a filter works on: bytes of an element, elements of an item, and the type of pco's."""
    if word[0] in "{SV" or word in ("f16", "c32"):
        return 1, itemsize, None
    if word[0] in "Uc":
        return (4, itemsize // 4, None) if word[0] == "U" else (itemsize // 2, 2, f"<f{itemsize // 2}")
    return itemsize, 1, f"<{word}" if re.fullmatch("[iuf][248]", word) else "<i8" if word[0] in "Mm" else None


def segments(stored, codec, length, pco):
    sizes = [stored.unpack("<II") for _ in range(*stored.unpack("<H"))]
    fits = [sum(column) for column in zip(*sizes)] == [length, len(stored.data) - stored.at]
    need(fits and all(0 < here <= size for size, here in sizes), "segments that do not add up")
    for size, here in sizes:
        part = stored.take(here)
        part = part if here == size else unpacked(codec, part, size, pco)
        need(len(part) == size, f"a segment of codec {codec} is not of {size} bytes, or something is left over")
        yield part


def unpacked(codec, part, size, pco):
    """What a segment holds; nothing where something is left over."""
    if codec == 1:
        return lz4(Input(part, "malformed"), size)
    if codec == 2:
        import zstandard
        fits = zstandard.frame_content_size(part) == size
        return zstandard.ZstdDecompressor().decompress(part, allow_extra_data=False) if fits else b""
    if codec == 3:
        stream = zlib.decompressobj(-15)
        found = stream.decompress(part, size + 1)
        return found if stream.eof and not stream.unused_data else b""
    from pcodec.standalone import simple_decompress_into
    array = np.empty(size // int(pco[2]), pco)
    done = simple_decompress_into(part, array)
    return array[: done.n_processed].tobytes() if done.finished else b""


def lz4(part, size):
    def length(n):
        more = 255 * (n == 15)
        while more == 255:
            (more,) = part.take(1)
            n += more
        return n

    out = bytearray()
    while True:
        (token,) = part.take(1)
        out += part.take(length(token >> 4))
        if part.at == len(part.data):
            return out
        (offset,) = part.unpack("<H")
        n, start = length(token & 15) + 4, len(out) - offset
        need(offset > 0 <= start and len(out) + n <= size, "a match that is not in the segment")
        out += (out[start : start + n] * -(-n // offset))[:n]


# ---- The JSON object and the dtype of a header (sections 1 and 2)


def json_object(text, types):
    """The members with these keys, which must be of these types."""
    text, pairs = text.decode(), []
    brackets = re.findall(r"[][{}]", re.sub(r'"(\\.|[^"\\])*"', "", text))
    deep = max(accumulate(1 if bracket in "[{" else -1 for bracket in brackets), default=0)
    need(deep <= 64, "brackets nest more than 64 deep")
    said = json.loads(
        text,
        object_pairs_hook=lambda found: pairs.append(found) or dict(found),
        parse_int=lambda digits: int(digits) if digits != "-0" and len(digits) < 4000 else float(digits),
        parse_constant=[].index)  # NaN is not JSON.
    own = [key for key, _ in pairs[-1] if key in types]
    need(type(said) is dict and len(own) == len(set(own)), f"no JSON object, or a key twice: {text}")
    for key in own:
        json.dumps(said[key] if key != "attrs" else "", ensure_ascii=False).encode()  # Fails: half a character.
        need(isinstance(said[key], types[key]), f"the JSON key {key}")
    return {key: said[key] for key in own}


NAME = r"""[A-Za-z0-9_]+|'(?:[^'\\]|\\[\\'"nrtxuU])*'|"(?:[^"\\]|\\[\\'"nrtxuU])*\""""
TOKEN = re.compile(
    rf"((?P<title>{NAME})=)?(?P<name>{NAME}):|:\|V(?P<gap>\d+)|(?P<open>{{)|(?P<close>}})(/(?P<size>\d+))?"
    r"|\[(?P<axes>\d[\d,]*)\]|@(?P<at>\d+)|(?P<raw>>?bfloat16|float8_(e3m4|e4m3(b11fnuz|fn|fnuz)?|e5m2(fnuz)?|e8m0fnu))"
    r"|[<>|][biufcMmSVU](?P<n>\d+)(\[(?P<count>\d*)[A-Za-z]+\])?", re.A)


def dtype_of(text):
    """The NumPy dtype of a spelling, which is read by loose rules and spelled anew: each dtype has one spelling."""
    tokens = list(TOKEN.finditer(text))[::-1]
    limited("fields", sum(token["name"] is not None for token in tokens), 4096)
    dtype, spelled, _ = type_of(tokens)
    need(spelled == ascii_of(text), f"the dtype {text} is written {spelled}")
    return dtype


def ascii_of(text):
    return text.encode("ascii", "backslashreplace").decode()


def type_of(tokens):
    """The dtype that begins with the last token, its spelling, and the levels of its records."""
    token = tokens.pop()
    if token["raw"]:
        return np.dtype("V2" if "bf" in token[0] else "V1"), token[0], 0
    if token["n"]:
        n = limited("bytes of an item", int(token["n"]) * (4 if "U" in token[0] else 1))
        need(2 <= int(token["count"] or 2) < 2**31, f"the unit of {token[0]}")
        long = token[0][1:] in ("f16", "c32") and not hasattr(np, "float128")
        dtype = np.dtype(f"V{n}" if long else token[0])
        return dtype, token[0] if long else dtype.str, 0
    need(token["open"], f"{token[0]} in a dtype")
    fields, end, levels = [], 0, 1
    while not (token := tokens.pop())["close"]:
        if token["gap"]:
            end = limited("bytes of an item", end + int(token["gap"]))
            continue
        names = [ast.literal_eval(word) if word and word[0] in "'\"" else word for word in token.group("name", "title")]
        written = "=".join(name if re.fullmatch(r"\w+", name, re.A) else ascii(name) for name in names[::-1] if name is not None)
        dtype, spelled, inner = type_of(tokens)
        pairs = 0
        while tokens[-1]["axes"]:
            axes = tokens.pop()["axes"]
            lengths, pairs = ast.literal_eval(f"({axes},)"), pairs + 1
            need(dtype.itemsize and len(lengths) <= 64, f"the brackets [{axes}]")
            limited("bytes of an item", dtype.itemsize * math.prod(n or 1 for n in lengths))
            dtype, spelled = np.dtype((dtype, lengths)), f"{spelled}[{axes}]"
        start = int(tokens.pop()["at"]) if tokens[-1]["at"] else end
        levels, end = max(levels, 1 + inner + max(pairs - 1, 0)), limited("bytes of an item", start + dtype.itemsize)
        fields.append((*names, dtype, start, end, f"{written}:{spelled}"))
    names, titles, dtypes, starts, ends, spellings = zip(*fields) if fields else [()] * 6
    size = limited("bytes of an item", int(token["size"] or end))
    limited("levels of records", levels, 16)
    dtype = np.dtype({"names": names, "formats": dtypes, "offsets": starts, "titles": titles, "itemsize": size})
    gaps = [start - end for start, end in zip((*starts, size), (0, *ends))]
    if min(gaps[: len(fields)], default=0) < 0:
        spellings = [f"{spelling}@{start}" for spelling, start in zip(spellings, starts)]
        return dtype, f"{{{','.join(spellings)}}}/{size}", levels
    spellings = [part for gap, spelling in zip(gaps, (*spellings, "")) for part in (f":|V{gap}" * (gap > 0), spelling) if part]
    return dtype, f"{{{','.join(spellings)}}}", levels


if __name__ == "__main__":
    found = read_with(sys.argv[1])
    print(f"{found.dtype or found.array.dtype}, shape {found.array.shape}, order {found.order}, {found.state}")
    print(found.array)
