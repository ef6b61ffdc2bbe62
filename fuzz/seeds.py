"""Makes the named seeds of `frame_header` and `frame_stream`: frames built by hand, whole, wrong and damaged; those of
`npz`: archives that NumPy and Python's `zipfile` write; and those of the targets of coded frames: the vectors of
`spec/vectors/`, whole and in parts, and choices of dtypes, filters, codecs and steps.

Usage: python fuzz/seeds.py     (needs NumPy; writes into fuzz/corpus/)
"""

import io
import json
import pathlib
import struct
import sys
import zipfile
import zlib

import numpy as np

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "python" / "tests"))

from frames import MAGIC, frame, header, members, sum_of, tail  # noqa: E402

CORPUS = HERE / "corpus"
LOCAL = b"\0\0"
F8 = bytes(range(24))


def put(target, name, data):
    folder = CORPUS / target
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)


def headers():
    """One byte of choices, two of limits, two of seed, then a stream (0), a JSON (1), numbers and JSON (2) or a
    stream whose sum is put right (3)."""

    def seed(name, data, choice=0, limits=LOCAL):
        put("frame_header", name, bytes([choice]) + limits + b"\x09\0" + (data.encode() if isinstance(data, str) else data))

    plain = header(members("<f8", [3]), 24)
    streams = {
        "plain": plain,
        "empty": b"",
        "magic-cut": MAGIC[:5],
        "magic-only": MAGIC,
        "fixed-only": plain[:24],
        "cut-in-json": plain[:40],
        "cut-in-sum": plain[:-1],
        "data-behind": plain + F8,
        "npy": b"\x93NUMPY\x01\0v\0{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }",
        "tail-magic": b"\x89NDBT\r\n\x1a" + bytes(56),
        "length-0": plain[:12] + bytes(4) + plain[16:],
        "length-63": plain[:12] + struct.pack("<I", 63) + plain[16:],
        "length-64": plain[:12] + struct.pack("<I", 64) + plain[16:],
        "length-4gib": plain[:12] + b"\xff" * 4 + plain[16:],
        "length-1mib": plain[:12] + struct.pack("<I", 1 << 20) + plain[16:],
        "flipped-version": plain[:8] + b"\x01" + plain[9:],
        "flipped-codec": plain[:11] + b"\x80" + plain[12:],
        "flipped-size": plain[:23] + b"\x80" + plain[24:],
        "flipped-padding": plain[:-6] + b"\x00" + plain[-5:],
        "flipped-sum": plain[:-1] + bytes([plain[-1] ^ 1]),
        "length-128-for-64": header('{"dtype":"|u1","shape":[]}', 1, length=128),
    }
    for name, stream in streams.items():
        seed(name, stream)
        seed(f"{name}-frame", stream, 4) if len(stream) < 40 else None
    texts = {
        "bool": members("|b1", []),
        "fortran": members(">i2", [2, 3], "F"),
        "empty-array": members("<c16", [0, 5]),
        "no-order": '{"dtype":"<f8","shape":[3]}',
        "named": members("<f8", [3], name="déjà \"x\"\n", attrs={"unit": "K", "scale": [1e-3, None]}),
        "attrs-spaces": '{"dtype":"<f8","shape":[3],"attrs": { "a" : [ 1 ] } }',
        "other-order-of-keys": '{"attrs":{},"name":"","order":"F","shape":[2,2],"dtype":"<u4"}',
        "other-keys": '{"x":[{"y":null}],"dtype":"<f8","shape":[3],"z":1e999}',
        "white-space": '\n{\t"dtype" : "<f8" ,\r"shape" : [ 3 ] }\n',
        "record": members("{t:<u8,:|V2,img:<u2[2],x='b c':{:|V4,d:|S3,:|V2}}", [3]),
        "overlap": members("{a:<i4@4,b:<i2@4}/12", [2]),
        "bfloat16": members("bfloat16", [2]),
        "big-bfloat16-field": members("{a:>bfloat16}", [2]),
        "datetime": members(">M8[25s]", [2]),
        "text": members(">U2", [3]),
        "void-0": members("|V0", [3]),
        "void-0-huge": members("|V0", [1 << 60]),
        "zero-huge": members("|u1", [0, (1 << 63) - 1]),
        "zero-overflow": members("<f8", [0, 1 << 62, 4]),
        "overflow": members("<f8", [1 << 32, 1 << 32]),
        "length-2-63": members("|u1", [1 << 63]),
        "length-2-64": members("|u1", [1 << 64]),
        "negative": members("|u1", [-1]),
        "float-length": members("|u1", [3.0]),
        "bool-length": '{"dtype":"|u1","shape":[true]}',
        "shape-number": '{"dtype":"|u1","shape":3}',
        "axes-64": members("|u1", [1] * 64),
        "axes-65": members("|u1", [1] * 65),
        "depth-16": members("{a:" * 16 + "|u1" + "}" * 16, []),
        "depth-17": members("{a:" * 17 + "|u1" + "}" * 17, []),
        "fields-9": members("{" + ",".join(f"f{i}:|u1" for i in range(9)) + "}", [2]),
        "alias": members("float64", [3]),
        "alias-little": members("f8", [3]),
        "dtype-spaces": members("{a: <f8}", [3]),
        "dtype-shape": members("<f8[3]", []),
        "object": members("|O", [1]),
        "subarray": members("3i4", [1]),
        "dtype-null": '{"dtype":null,"shape":[]}',
        "no-dtype": '{"shape":[3]}',
        "no-shape": '{"dtype":"<f8"}',
        "twice-dtype": '{"dtype":"<f8","dtype":"<f8","shape":[3]}',
        "twice-shape": '{"dtype":"<f8","shape":[3],"shape":[4]}',
        "twice-escaped": '{"dtype":"<f8","shape":[3],"name":"a","n\\u0061me":"b"}',
        "twice-other": '{"dtype":"<f8","shape":[3],"x":1,"x":2}',
        "order-k": members("<f8", [3], "K"),
        "order-null": '{"dtype":"<f8","shape":[3],"order":null}',
        "name-null": members("<f8", [3], name=None),
        "name-surrogate": '{"dtype":"<f8","shape":[3],"name":"\\ud800"}',
        "attrs-list": members("<f8", [3], attrs=[]),
        "attrs-deep": '{"dtype":"<f8","shape":[3],"attrs":{"a":' + "[" * 62 + "]" * 62 + "}}",
        "attrs-too-deep": '{"dtype":"<f8","shape":[3],"attrs":{"a":' + "[" * 63 + "]" * 63 + "}}",
        "behind": '{"dtype":"<f8","shape":[3]} x',
        "two-objects": '{"dtype":"<f8","shape":[3]}{}',
        "list": "[1]",
        "nothing": "",
        "not-utf8": b'{"dtype":"<f8","shape":[3],"name":"\xff"}',
        "nul": '{"dtype":"<f8","shape":[3]}\0',
    }
    for name, text in texts.items():
        seed(name, text, 1)
    text = members("<f8", [3])
    size = struct.pack("<Q", 24)
    for name, numbers, length in [
        ("numbers", bytes(4), size), ("version-1", b"\1\0\0\0", size), ("flags-1", b"\0\1\0\0", size),
        ("filter-1", b"\0\0\1\0", size), ("codec-1", b"\0\0\0\1", size), ("all-255", b"\xff" * 4, size),
        ("size-23", bytes(4), struct.pack("<Q", 23)), ("size-2-63", bytes(4), struct.pack("<Q", 1 << 63)),
        ("size-2-64", bytes(4), b"\xff" * 8),
    ]:
        seed(name, numbers + length + text.encode(), 2)
    seed("resummed", streams["flipped-padding"], 3)
    seed("resummed-length-64", streams["length-64"], 3)
    seed("limit-header-80", text, 1, b"\x02\0")
    seed("limit-grow-1", text, 1, b"\x08\0")
    seed("limit-grow-0", text, 1, b"\x18\0")
    seed("limit-array-0", text, 1, b"\x20\0")
    seed("limit-fields-1", texts["fields-9"], 1, b"\x80\x01")


def array(choice, dims=(), given=b"", seed=1, spec=None):
    """An array as an input describes it."""
    text = b"" if spec is None else bytes([len(spec)]) + spec
    return bytes([choice]) + text + bytes(dims) + struct.pack("<H", len(given)) + given + bytes([seed])


def damage(kind, one=0, two=0, n=0):
    return bytes([kind]) + struct.pack("<I", one)[:3] + struct.pack("<I", two)[:3] + bytes([n])


def streams():
    """One byte of choices, two of limits, one of sizes, two of seed; then an array and damage to its frame (0), an
    array and changes to its tail (1), arrays in a row (2), or a stream (3)."""

    def seed(name, data, choice, limits=LOCAL):
        put("frame_stream", name, bytes([choice]) + limits + b"\x05\x09\0" + data)

    dtypes = "u1 f4 i8 bool bytes text datetime void bfloat16 float8 record-sub record-gap".split()
    for i, name in enumerate(dtypes):
        seed(f"flip-{name}", array(i | 0x40, (2, 3), seed=i) + b"\0\0" + damage(0, 128 + i, 0, i), 0)
    four, orders = array(1 | 0x20, (4,)), {"": b"\0", "-f": b"\2"}
    damages = {
        "flip-version": damage(0, 8), "flip-length": damage(0, 12, 0, 6), "flip-size": damage(0, 23, 0, 7),
        "flip-json": damage(0, 30, 0, 1), "flip-header-sum": damage(0, 63, 0, 1), "flip-tail-state": damage(0, 153),
        "flip-tail-sum": damage(0, 177), "flip-block-sum": damage(0, 181), "flip-last-sum": damage(0, 187),
        "cut-in-header": damage(2, 40), "cut-at-data": damage(2, 128), "cut-in-data": damage(2, 130),
        "cut-at-tail": damage(2, 144), "cut-in-tail": damage(2, 170), "bytes-swapped": damage(3, 128, 131),
        "run-copied": damage(4, 0, 144, 40), "run-dropped": damage(5, 128, 0, 16), "run-repeated": damage(6, 0, 0, 188),
        "runs-swapped": damage(7, 128, 136, 8), "appended": damage(8, 0, 0, 1), "three": damage(0, 130) + damage(5, 9, 0, 1) + damage(8, 0, 0, 9),
    }
    for name, how in damages.items():
        for suffix, order in orders.items():
            seed(name + suffix, (four if not suffix else array(2 | 0x50, (2, 3))) + b"\0" + order + how, 0)
    seed("zero-d", array(1) + b"\0\0" + damage(2, 129), 0)
    seed("no-items", array(1 | 0x40, (0, 3)) + b"\0\0" + damage(0, 140), 0)
    seed("given-data", array(0x20, (6,), b"abcdef") + b"\0\0" + damage(3, 128, 130), 0)
    seed("name-attrs", four + b"\x05\x04name\0" + damage(4, 0, 144, 128), 0)
    seed("attrs-none-object", four + b"\x06\x03[1]\0" + damage(5, 128, 0, 16), 0)
    seed("any-format", four + b"\0\0" + damage(0, 3), 0x20)
    for name, limits in {"header-80": b"\x02\0", "grow-1": b"\x08\0", "grow-0": b"\x18\0", "array-0": b"\x20\0"}.items():
        seed(f"limit-{name}", four + b"\0\0" + damage(0, 130), 0, limits)
    seed("two-blocks-flip", array(0xE0, (2,), seed=3) + b"\0\0" + damage(0, 128 + (1 << 20), 0, 1), 0)
    seed("two-blocks-swapped", array(0xE1, (2,), seed=3) + b"\0\0" + damage(7, 128, 132, 255), 0)
    for name, spec in {"void-0": b"|V0", "overlap": b"{a:<i4@4,b:<i2@4}/12", "unicode": "{'日':<i4}".encode()}.items():
        seed(f"spec-{name}", array(12 | 0x20, (3,), spec=spec) + b"\0\0" + damage(0, 5, 0, 1), 0)

    changes = {
        "same": b"", "version": b"\1", "state-open": b"\0\1", "state-2": b"\0\2", "zero": b"\0\0\1", "header-sum": bytes(4) + b"\1",
        "size": bytes(8) + b"\1", "size-huge": bytes(15) + b"\x80", "block": bytes(18) + b"\1", "metadata": bytes(20) + b"\2",
        "metadata-huge": bytes(20) + b"\xff" * 4, "sum": bytes(24) + b"\1", "open-other-sum": b"\0\1" + bytes(22) + b"\1",
    }
    for name, change in changes.items():
        seed(f"tail-{name}", four + change, 1)
        seed(f"tail-{name}-optional", four + change, 1 | 4)
    row = struct.pack("<H", 3) + array(1 | 0x40, (2, 3))
    seed("row", row + array(0) + array(1 | 0x40, (0, 3)) + array(0x2B, (2,)) + b"\0", 2)
    seed("row-ignored", row + array(0) + array(0x2B, (2,)) + array(4 | 0x20, (2,)) + b"\0", 2 | 8)
    seed("row-mixed", row + b"\1" + array(0) + b"\0" + array(8 | 0x20, (3,)) + b"\1" + array(0) + b"\0\0", 2 | 0x20)
    seed("row-damaged", row + array(0) + array(0) + array(0x20, (3,)) + struct.pack("<BHB", 1, 260, 3), 2)

    plain = frame("<f8", [3], F8)
    whole = {
        "plain": plain, "open": frame("<f8", [3], F8, state=1), "named": frame("<f8", [3], F8, name="a", attrs={"b": 1}),
        "scalar": frame("|b1", [], b"\1"), "empty": frame("<f8", [0, 2], b""), "fortran": frame(">i2", [2, 3], bytes(12), "F"),
        "two": plain + frame("|u1", [], b"x"), "trailing": plain + b"x", "flipped": plain[:130] + b"\xff" + plain[131:],
        "bare": plain[:152], "nothing": b"", "claims-1-tib": header(members("<f8", [1 << 37]), 1 << 40) + b"0123456789",
        "claims-1-mib": header(members("|u1", [(1 << 20) + 1]), (1 << 20) + 1) + b"0123456789",
        "tail-of-npy": plain[:152] + b"\x93NUMPY\x01\0v\0" + bytes(118) + plain[152:],
        "tail-metadata": plain[:152] + tail(sum_of(plain[:128]), F8, metadata=b'{"name":"a"}'),
        "tail-other-header": plain[:152] + tail(7, F8),
    }
    for name, stream in whole.items():
        seed(f"stream-{name}", stream, 3)
        seed(f"stream-{name}-optional", stream, 3 | 4 | 0x20)
    seed("stream-ignored", plain, 3 | 8)
    seed("stream-grow-1", plain, 3, b"\x08\0")


class Pipe(io.RawIOBase):
    """A file that goes one way."""

    def __init__(self):
        self.bytes = bytearray()

    def writable(self):
        return True

    def write(self, data):
        self.bytes += data
        return len(data)


def archives():
    """One byte of choices, two of limits, one of cuts, then the archive."""

    def seed(name, data, choices=0, every=1):
        put("npz", name, bytes([choices]) + LOCAL + bytes([every]) + bytes(data))

    def made(method=zipfile.ZIP_STORED, **members):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            archive.comment = members.pop("comment", b"")
            for name, data in members.items():
                archive.writestr(zipfile.ZipInfo(name), data, method)
        return file.getvalue()

    arrays = {"a": np.arange(3.0), "\u00e9": np.arange(2, dtype="u1"), "e/f": np.empty(0, "i2")}
    stored, deflated, pipe = io.BytesIO(), io.BytesIO(), Pipe()
    np.savez(stored, **arrays)
    np.savez_compressed(deflated, **arrays)
    np.savez_compressed(pipe, **arrays)
    stored, deflated, pipe = stored.getvalue(), deflated.getvalue(), bytes(pipe.bytes)
    seed("savez", stored)
    seed("savez-aligned", stored, 1, 7)
    seed("savez-compressed", deflated, 2, 3)
    seed("savez-pipe", pipe, 0xFE)
    seed("two-members-at-most", stored, 0x80)
    seed("cut", stored[:-1])
    seed("front-lost", stored[1:])
    seed("appended", stored + b"x")
    seed("in-front", b"x" + stored)
    seed("nothing", b"")
    seed("empty", made())
    seed("small", made(a=b"x"))
    seed("comment", made(a=b"first", comment=b"PK\5\6 a comment"))
    seed("text-deflated", made(zipfile.ZIP_DEFLATED, a=b"text " * 40, b=b""), 2)
    seed("bzip2", made(zipfile.ZIP_BZIP2, a=b"text"))
    seed("lzma", made(zipfile.ZIP_LZMA, a=b"text"))
    seed("archive-inside", made(a=made(b=b"inner")))
    one = made(a=b"first", b=b"other")
    seed("names-twice", one.replace(b"b", b"a"))
    second = one.index(b"PK\1\2", one.index(b"PK\1\2") + 1)
    seed("overlap", one[: second + 42] + bytes(4) + one[second + 46 :])
    seed("encrypted", one[:6] + b"\1" + one[7:])
    end = len(one) - 22
    start, size = struct.unpack("<I", one[end + 16 : end + 20])[0], struct.unpack("<I", one[end + 12 : end + 16])[0]
    zip64 = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 2, 2, size, start)
    zip64 += struct.pack("<4sIQI", b"PK\6\7", 0, end, 1)
    seed("zip64", one[:end] + zip64 + one[end:])
    seed("zip64-only", one[:end] + zip64 + one[end : end + 8] + b"\xff" * 12 + one[end + 20 :])
    seed("zip64-elsewhere", one[:end] + b"x" + zip64 + one[end:])

    def alone(method, stored, raw, extra=b""):
        """An archive of one member, whose directory has this extra field."""
        common = struct.pack("<HHHHIII", 0, method, 0, 33, zlib.crc32(raw), len(stored), len(raw))
        local = struct.pack("<4sH", b"PK\3\4", 63) + common + struct.pack("<HH", 5, 0) + b"a.npy" + stored
        central = struct.pack("<4sHH", b"PK\1\2", 20, 63) + common
        central += struct.pack("<HHHHHII", 5, len(extra), 0, 0, 0, 0, 0) + b"a.npy" + extra
        return local + central + struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 1, 1, len(central), len(local), 0)

    file = io.BytesIO()
    np.save(file, (np.arange(69000, dtype="<u2") // 4000).reshape(69, 1000))
    raw = file.getvalue()
    blocks = []
    for start in range(0, len(raw), 1 << 16):
        part, deflater = raw[start : start + (1 << 16)], zlib.compressobj(9, zlib.DEFLATED, -15)
        is_last = start + (1 << 16) >= len(raw)
        blocks.append((deflater.compress(part) + deflater.flush(zlib.Z_FINISH if is_last else zlib.Z_SYNC_FLUSH), part))
    field = b"\1\x10\0\0" + b"".join(struct.pack("<II", len(stored), zlib.crc32(part)) for stored, part in blocks)
    index, stream = struct.pack("<HH", 0x626E, len(field)) + field, b"".join(stored for stored, _ in blocks)
    seed("in-blocks", alone(8, stream, raw, index), 2, 100)
    seed("in-blocks-of-other-sums", alone(8, stream, raw, index[:12] + index[20:28] + index[12:20] + index[28:]))
    seed("in-blocks-of-another-version", alone(8, stream, raw, index[:4] + b"\2" + index[5:]))
    file = io.BytesIO()
    np.save(file, np.arange(3, dtype="u1"))
    raw = file.getvalue()
    frame = struct.pack("<IBBI", 0xFD2FB528, 0x20, len(raw), len(raw) << 3 | 1)[:9] + raw
    seed("zstd", alone(93, frame, raw), 6)
    seed("zstd-cut", alone(93, frame[:-1], raw))
    seed("zstd-more", alone(93, frame + b"x", raw))


VECTORS = HERE.parent / "spec" / "vectors"
CODED_DTYPES = (
    "|b1 |i1 |u1 <i2 >u2 <i4 >i4 <u8 >i8 <f2 <f4 >f4 <f8 >f8 <c8 >c16 <c16 <f16 <c32 <M8[ns] >m8[s] |S5 >U2 bfloat16 "
    "float8_e5m2 |V0 |V7 {t:<u4,:|V1,x:>f4}"
).split()
FILTERS = [f for f in range(128) if f & 3 < 3 and f >> 2 & 7 < 5]


def vectors(most):
    """The coded vectors of so many bytes, and of the bad ones half as many."""
    for path in sorted(VECTORS.glob("**/coded_*.ndb")):
        is_bad = path.parent.name == "bad"
        if path.stat().st_size <= most // (1 + is_bad):
            yield "bad-" * is_bad + path.stem.removeprefix("coded_"), path.read_bytes()


def growing_vectors(most):
    """Those of frames that grow, as `vectors` gives them."""
    for path in sorted(VECTORS.glob("**/growing_*.ndb")):
        is_bad = path.parent.name == "bad"
        if path.stat().st_size <= most // (1 + is_bad):
            yield "growing-" + "bad-" * is_bad + path.stem.removeprefix("growing_"), path.read_bytes()


def u16(*numbers):
    return struct.pack(f"<{len(numbers)}H", *numbers)


def box(shape):
    """A shape as an input describes it; None for one that it cannot."""
    kinds = {0: [()], 1: [(8191,)], 2: [(63, 63), (4, 2047)], 3: [(11,) * 3], 4: [(11,) * 4]}
    for kind, most in enumerate([k for n in range(5) for k in kinds[n]]):
        if len(shape) == len(most) and all(a <= b for a, b in zip(shape, most)):
            return bytes([kind]) + u16(*shape)
    return None


def coded_headers():
    """One byte of choices, two of limits, two of seed; then a stream (0), filter, codec and JSON (1), filter, codec,
    the length of the data and JSON (2), or filter, codec, dtype and a byte for each axis (3)."""
    front = lambda choice, limits=LOCAL: bytes([choice]) + limits + b"\x09\0"
    known = set()
    for name, data in vectors(8000):
        length = struct.unpack("<I", data[12:16])[0]
        key = data[9:12] + data[24 : length - 4].rstrip()
        if length <= 256 and key not in known and ("grid" in name or "header" in name or len(known) % 5 == 0):
            put("coded_header", name, front(1) + data[10:12] + data[24 : length - 4].rstrip())
        known.add(key)
    plain = '{"dtype":"<f8","shape":[3],"order":"C","block":[2]}'
    put("coded_header", "stream", front(0) + header(plain, 24, b"\0\1\0\0"))
    for name, numbers in {"version": b"\1\1\0\0", "flags": b"\0\3\0\0", "short": b"\0\1"}.items():
        put("coded_header", name, front(0) + header(plain, 24, numbers.ljust(4, b"\0")))
    put("coded_header", "other-size", front(2) + b"\4\2" + struct.pack("<Q", 25) + plain.encode())
    put("coded_header", "limit-header-80", front(1, b"\x02\0") + b"\0\0" + plain.encode())
    grids = {
        "grid-one": (1, [0x11]), "grid-16-mib": (0, [0x9B, 0x11]), "grid-over": (0, [0xAB]), "grid-huge": (1, [0x1D, 0x1C]),
        "grid-no-bytes": (3, [0x1E, 0x14, 0x10]), "grid-none": (0, [0x1E, 0x14, 0x10]), "grid-f": (9, [0x34, 0x23]),
        "grid-item": (5, [0x12]), "grid-items": (5, [0x22]), "grid-axes": (0, [0x11] * 64), "grid-65": (0, [0x11] * 65),
    }
    for name, (choice, axes) in grids.items():
        put("coded_header", name, front(3) + b"\5\1" + bytes([choice, *axes]))


def growing_headers():
    """As `coded_headers`, with 8 added to the choice: filter and codec; but for 0 what changes the mark of no rows; and JSON, for 3
    dtype and a byte for each axis."""
    front = lambda choice: bytes([choice]) + LOCAL + b"\x09\0"
    for number, (name, data) in enumerate(growing_vectors(1600)):
        length = struct.unpack("<I", data[12:16])[0]
        if length <= 256 and ("mark" in name or "grid" in name or number % 6 == 0):
            put("coded_header", name, front(0) + data[: length + 64])
    plain = b'{"dtype":"<f8","shape":[null,3],"block":[2,2]}'
    put("coded_header", "growing-begun", front(8) + b"\0\0" + plain)
    marks = {
        "2-rows": (2, 2, 48, 0x108), "2-60-blocks": (1 << 60, 1 << 60, 3 << 63 & (1 << 64) - 1, 1 << 63), "all-ones": ((1 << 64) - 1,) * 4,
        "2-58-rows": (1 << 58, 1 << 58, 3 << 61, (1 << 64) - 1), "end-2-63": (2, 1, 24, 1 << 63), "an-odd-block": (1, 1, 24, 512),
    }
    for name, numbers in marks.items():
        put("coded_header", f"growing-mark-{name}", front(9) + b"\0\0" + struct.pack("<4QI", *numbers, 7) + plain)
    for name, (choice, axes) in {"axes": (0, [0x11] * 63), "huge": (0, [0x9D, 0x1D]), "over": (1, [0xAA, 0x11]), "f": (9, [0x11])}.items():
        put("coded_header", f"growing-grid-{name}", front(11) + b"\0\0" + bytes(36) + bytes([choice, *axes]))


def growing_streams():
    """As `coded_streams`."""
    for number, (name, data) in enumerate(growing_vectors(1700)):
        if "bad" not in name or number % 3 == 0:
            put("coded_stream", name, bytes([0, number & 3]) + LOCAL + b"\x05\x09\0" + data)
        if number % 12 == 0:
            flipped = data[:-30] + bytes([data[-30] ^ 1]) + data[-29:]
            put("coded_stream", f"{name}-summed", bytes([1 + number // 12 % 2, 2]) + LOCAL + b"\x07\x01\0" + flipped)


def growing():
    """An array, how it is written, the lengths of a block, for each step how many bands (less 1), their rows (less 1) and which of
    the steps before it is covered; then the choices, how it is cut, and for each change of three what it is, and which sums are put right."""
    rows, wide = coded_array("<i4", (20,)), coded_array("<f8", (9, 7), more=0x20)
    steps = u16(1, 2, 3, 0, 0, 4, 1, 2, 1, 1, 0, 0, 4, 0, 2, 4, 4, 4, 4, 0)
    arrays = {"rows": rows + coding(4, 1) + u16(4) + steps, "boxes": wide + coding(5, 5) + u16(3, 2) + steps}
    arrays["bytes"] = coded_array("|u1", (60,), 0, b"any") + coding(3, 0) + u16(2) + u16(2, 0, 1, 2, 0) * 30
    for name, what in arrays.items():
        put("growing", f"{name}-same", what + b"\0\5" + u16(0))
        put("growing", f"{name}-optional", what + b"\xc0\5" + u16(0))
        for at in (9, 130, 200, 300, 380):
            put("growing", f"{name}-cut-{at}", what + b"\x04\3" + u16(at))
            put("growing", f"{name}-flipped-{at}", what + b"\x0c\3" + u16(at))
        put("growing", f"{name}-goes-on", what + b"\x48\3" + u16(0) + b"\0" * 24)
        for how in range(4):
            put("growing", f"{name}-moved-{how}", what + b"\1\5" + bytes([0, 31, how]) + u16(1, 3))
            put("growing", f"{name}-moved-{how}-counted", what + b"\1\5" + bytes([0, 8 if how % 2 else 24, how]) + u16(0, 4))
        for kind, fields in enumerate([10, 6, 6, 6, 10]):
            at = u16(1) * (1 + (kind == 3)) if kind else b""
            for field in range(fields):
                for how, by in [(0, 1), (3, field + 7)][: 1 + (name == "boxes")]:
                    right = 24 if kind in (0, 2, 4) else 9
                    put("growing", f"{name}-{kind}-{field}-{how}", what + b"\1\7" + bytes([2, right, kind, field]) + at + bytes([how, by]))


def coded_array(dtype, shape, fill=2, given=b"", seed=1, more=0):
    """An array as an input describes it: filled with what is given, zeros, steps or noise."""
    return bytes([CODED_DTYPES.index(dtype)]) + box(shape) + bytes([fill << 1 | more]) + u16(len(given)) + given + bytes([seed])


def coding(codec, filter, block=(), level=0, order=0):
    """How it is written: auto, fast, small, or 3 and the number of a codec."""
    lens = u16(*(len - 1 for len in block))
    return bytes([codec | order << 3 | (32 if block else 0) | level << 6, filter]) + lens


def coded_indices():
    """One byte of choices, an array, how it is written, how much longer or shorter; then an index, or changes to it."""
    one, three, none = (coded_array("<i4", (20,)) + coding(4, 1, block) for block in [(20,), (7,), ()])
    two_axes = coded_array("<f8", (5, 6), more=1) + coding(5, 5, (2, 4))
    many = coded_array("|u1", (1100,)) + coding(3, 0, (1,))
    empty = coded_array("<i4", (0,)) + coding(4, 0, (1,))
    for name, what, rows in [("one", one, 1), ("three", three, 3), ("auto", none, 1), ("axes", two_axes, 6), ("empty", empty, 0)]:
        footer = rows * 24 + (4 if rows else 0)
        put("coded_index", f"{name}-same", b"\0" + what + b"\0" + u16(0))
        for at in [0, 8, 12, 16, 20] if rows else []:
            put("coded_index", f"{name}-entry-{at}", b"\x0e" + what + b"\0" + u16(at) + b"\1")
        for at in [0, 8, 9, 10, 12, 16, 24, 32, 40, 48, 56, 60]:
            if name == "three" or at % 16 == 8:
                put("coded_index", f"{name}-footer-{at}", b"\x08" + what + b"\0" + u16(footer + at) + b"\1")
        put("coded_index", f"{name}-unsealed", b"\0" + what + b"\0" + u16(1) + b"\1")
    put("coded_index", "cut", b"\0" + three + b"\x05" + u16(0))
    put("coded_index", "longer", b"\0" + three + b"\xf0" + u16(0))
    put("coded_index", "longer-goes-on", b"\x10" + three + b"\xf0" + u16(0))
    put("coded_index", "other", b"\x0f" + one + b"\0" + bytes(92))
    put("coded_index", "pages", b"\x0e" + many + b"\0" + u16(1024 * 24) + b"\1")
    put("coded_index", "pages-unsealed", b"\x0c" + many + b"\0" + u16(1024 * 24) + b"\1")


def coded_blocks():
    """One byte of choices, filter, codec, dtype and box; then stored bytes (0) or what goes into a segment (1). Or an array
    instead of dtype and box, and changes to what is stored of it (2)."""
    for name, data in vectors(1100):
        length = struct.unpack("<I", data[12:16])[0]
        try:
            values = json.loads(data[24 : length - 4])
            lens = [min(pair) for pair in zip(values["shape"], values["block"])]
        except (KeyError, TypeError, ValueError):
            continue
        shape, head = box(tuple(lens)) if all(type(n) is int and n > 0 for n in lens) else None, data[length : length + 24]
        if values["dtype"] not in CODED_DTYPES or shape is None or len(head) < 24 or b"grid" in name.encode() or name.startswith("bad-index"):
            continue
        stored = data[length + 24 : length + 24 + struct.unpack("<I", head[:4])[0]]
        if len(stored) <= 300:
            dtype = CODED_DTYPES.index(values["dtype"])
            put("coded_block", name, bytes([4 if values["order"] == "F" else 0, head[4], head[5], dtype]) + shape + stored)
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    put("coded_block", "segment-deflate", b"\1\0\3\2" + box((64,)) + raw.compress(bytes(64)) + raw.flush())
    put("coded_block", "segment-lz4", b"\1\4\1\3" + box((32,)) + b"\x1f\0\1\0\x26\x50" + bytes(5))
    put("coded_block", "segment-decimal", b"\1\x40\3\x0c" + box((64,)) + b"\0\1\2\5" + b"12345678" + bytes.fromhex("63600000"))
    for number, filter in enumerate(FILTERS):
        engine = 1 + number % 4
        filter = filter & ~3 if engine == 4 else filter
        dtype = "<f8 <f4 >f8 >c16".split()[number % 4] if filter & 64 or engine == 4 else "<i2 <i4 |u1 >i8 |S5 {t:<u4,:|V1,x:>f4}".split()[number % 6]
        what = coded_array(dtype, (4, 5, 6), 2, more=number % 2 * 4 | 0x20)
        put("coded_block", f"made-{filter}-{engine}", bytes([2 | number % 3 // 2 * 4, filter, engine]) + what)
        put("coded_block", f"changed-{filter}-{engine}", bytes([2, filter, engine]) + what + b"\0" + u16(9 + number * 3) + bytes([1 << number % 8]))


def coded_streams():
    """One byte of choices, three of options, one of sizes, two of seed; then a stream, as it is (0), with right sums (1) and
    with the right index (2)."""
    for number, (name, data) in enumerate(vectors(620)):
        put("coded_stream", name, bytes([0, number & 3]) + LOCAL + b"\x05\x09\0" + data)
        if number % 8 == 0:
            flipped = data[:-30] + bytes([data[-30] ^ 1]) + data[-29:]
            put("coded_stream", f"{name}-summed", bytes([1 + number // 8 % 2, 2]) + LOCAL + b"\x07\x01\0" + flipped)


    # Two wrong blocks: the first of them is named.
    data = bytearray((VECTORS / "coded_mixed_decimals.ndb").read_bytes())
    at = struct.unpack("<I", data[12:16])[0]
    data[at + 24] ^= 1
    data[at + 24 + struct.unpack("<I", data[at : at + 4])[0]] ^= 1
    put("coded_stream", "two-wrong-blocks", bytes([0, 2]) + LOCAL + b"\x05\x09\0" + bytes(data))


def coded_wholes():
    """`coded_mutated`: an array, how it is written, whether blocks change places (odd), then damage. `coded_filters`: a
    filter, an array, how it is written."""
    dtypes = [dtype for dtype in CODED_DTYPES if dtype != "|V0"]
    shapes = [(40,), (9, 7), (4, 5, 6), (3, 4, 3, 2), (3, 300)]
    for number, filter in enumerate(FILTERS):
        engine = 1 + number // 3 % (3 if filter & 3 else 4)
        floats = ["<f4", ">f8", "<c8", ">c16", "<f8"]
        dtype = floats[number % 5] if filter & 64 else ["<i2", ">i4", "<u8", "<f4", "<M8[ns]", ">f8"][number % 6] if engine == 4 else dtypes[number % 27]
        fill, given = (2, b"") if filter & 64 or engine == 4 else (0, bytes(40) + b"any elements" * 2)
        what = coded_array(dtype, shapes[4 - (number // 3 % 2) * 2], fill, given, number, 0x20 | number // 3 % 3 // 2 * 8)
        put("coded_filters", f"filter-{filter}", bytes([filter]) + what + coding(3 + engine, filter))
        zeros = coded_array(dtype, (9, 9, 9), 1, b"" if filter & 64 else b"some", number)
        put("coded_filters", f"zeros-{filter}", bytes([filter]) + zeros + coding(5 if filter & 64 else 3 + engine, filter))
        damages = [damage(0, 300 + number), damage(2, 200 + number), damage(6, 140, 150, 9), damage(4, 130, 200, 24)]
        if number % 3 == 0:
            put("coded_mutated", f"filter-{filter}", what + coding(3 + engine, filter) + b"\0" + damages[number % 4])
    for number, dtype in enumerate(CODED_DTYPES):
        shape = shapes[number % 5]
        what = coded_array(dtype, shape, number % 4, b"any elements at all", number, number % 2)
        block = tuple(max(1, n // 2) for n in shape)
        name = f"dtype-{number}"
        put("coded_filters", name, bytes([4 + number % 3]) + what + coding(3 + number % 5, 0, block, number % 3))
        put("coded_mutated", name, what + coding(number % 8, 255, block, 0, number % 4) + b"\0" + damage(0, 190 + 9 * number, 0, number))
    three = coded_array("<i4", (60,)) + coding(4, 1, (7,))
    for how in range(4):
        put("coded_mutated", f"moved-{how}", three + bytes([how << 1 | 1]) + u16(2, 5))
    for shape in [(), (0,), (5, 0), (1,)]:
        put("coded_mutated", f"shape-{len(shape)}-{sum(shape)}", coded_array("<f8", shape) + coding(5, 4) + b"\0" + damage(0, 140))
    for codec, name in enumerate(["auto", "fast", "small"]):
        put("coded_mutated", name, coded_array("<f8", (4, 500), more=0x28) + coding(codec, 255) + b"\7" + damage(2, 170))


def datagrams():
    """Choices, limits, memory; then datagrams by their fields (in part 1, streams in the upper half), or arrays to send over a link (2)."""

    def shards(data, size=64, parity=0, number=0, stream=1, total=None, how=0, later=0):
        """Each shard of data, as the target spells it."""
        spelled = []
        for index in range(-(-len(data) // size)):
            part = data[index * size : (index + 1) * size]
            fields = bytes([0]) + u16(parity) + bytes([stream]) + u16(index) + bytes([number]) + u16((total or len(data)) & 0xFFFF)
            more = bytes([(total or len(data)) >> 16, size // 64, len(part)])
            spelled.append(bytes([how | (later > 0)]) + (u16(later) if later else b"") + fields + more + part)
        return spelled

    def seed(name, parts, choices=0xF0, limits=LOCAL, size=0xFB):
        put("datagram", name, bytes([choices]) + limits + bytes([size]) + b"".join(parts))

    one = frame("<u2", [120], bytes(range(240)))
    two = frame(">f8", [3, 4], bytes(range(96)), "F", name="b")
    parts = shards(one)
    seed("whole", parts)
    seed("whole-of-128", shards(one, 128, parity=1))
    seed("backwards", parts[::-1])
    seed("twice", parts + parts)
    seed("two-streams", [part for pair in zip(parts, shards(two, stream=2)) for part in pair])
    seed("two-numbers", shards(two, number=5) + shards(two, number=3) + shards(one, number=9))
    seed("group", shards(frame("<i4", [2], F8[:8], message=[2, 7, 1]) + frame("<i4", [2], F8[:8])))
    seed("group-cut", shards(frame("<i4", [2], F8[:8], message=[2, 7, 1])))
    seed("in-part", parts[:2] + parts[3:] + shards(two, number=1, later=2000), 0xF1)
    seed("in-part-no-tail", parts[:-1], 0xF1)
    seed("in-part-no-header", parts[1:] + shards(two, number=1, later=2000), 0xF1)
    seed("in-part-group", shards(one + two)[:-1], 0xF1)
    seed("in-part-damaged", shards(one[:140] + b"\xff" + one[141:])[:1] + shards(one)[1:-1], 0xF1)
    seed("damaged-frame", shards(one[:140] + b"\xff" + one[141:]))
    seed("wrong-sum", shards(one, how=4))
    seed("disagree", parts[:1] + shards(one, 128)[1:] + shards(one, total=500)[2:])
    seed("late", parts[:2] + shards(one, later=700)[2:] + shards(two, number=1, later=5000))
    seed("little-memory", parts + shards(two, number=1), size=0x20)
    seed("one-stream", parts[:2] + shards(two, stream=2) + parts[2:], 0x00)
    seed("large-claim", shards(one, total=0xFFFFFF))
    seed("many-shards", shards(bytes(64 * 30), total=64 * 3100, parity=9))
    raw = b"\x89NDD" + bytes(2) + u16(0) + struct.pack("<I", 3) + bytes(4) + bytes(6) + bytes([64]) + bytes(5) + bytes(64)
    seed("raw", [bytes([2]) + u16(len(raw)) + raw, bytes([2]) + u16(20) + raw[:20], bytes([6]) + u16(len(raw)) + raw])
    zeros = [bytes([0, 1]) + u16(2) + bytes([1]) + u16(index) + bytes([0]) + u16(64 * 4) + bytes([0, 1, 0]) for index in range(2)]
    data = [bytes([0, 0]) + u16(2) + bytes([1]) + u16(index) + bytes([0]) + u16(64 * 4) + bytes([0, 1, 0]) for index in range(2)]
    seed("parity-of-zeros", zeros + data)
    large = bytes([0x66, 6, 6, 6]) + u16(0) + b"\4"
    arrays = large + bytes([65, 5, 6]) + u16(0) + b"\1" + bytes([0x70 | 10, 6, 6, 6]) + u16(5) + b"hello\2" + bytes([0]) + u16(0) + b"\3"
    for loss in range(4):
        for drops in (0, 12, 90):
            for partial in (0, 1):
                link = bytes([loss, drops & 1 or loss, drops]) + u16(7 * loss + drops, 3)
                seed(f"sent-{loss}-{drops}{'-in-part' * partial}", [link + arrays], 0xF2 | partial)


headers()
streams()
datagrams()
archives()
coded_headers()
growing_headers()
coded_indices()
coded_blocks()
coded_streams()
growing_streams()
coded_wholes()
growing()
