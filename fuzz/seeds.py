"""Makes the named seeds of `frame_header` and `frame_stream`: frames built by hand, whole, wrong and damaged; and those
of `npz`: archives that NumPy and Python's `zipfile` write.

Usage: python fuzz/seeds.py     (needs NumPy; writes into fuzz/corpus/)
"""

import io
import pathlib
import struct
import sys
import zipfile

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


headers()
streams()
archives()
