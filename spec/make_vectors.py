"""Makes spec/vectors/ with NumPy and the modules beside it alone: what ndbytes must read, and what it must refuse.

Usage: python make_vectors.py [--check]     (--check: the committed files must be these, byte for byte)

Of the good frames that are coded or grow, whose compressed bytes differ between versions of the compressors, the
committed file must be the made one in all but these bytes, and read as its row says by ndbytes_reader where the
compressor is installed; one that is so, is not written anew.
"""

import io
import json
import pathlib
import struct
import sys

import numpy as np

import bad_coded
import bad_frames
import bad_growing
import good_coded
import good_frames
import good_growing
from checked_npy import tail
from digest import digest
from sums import crc32c

HERE = pathlib.Path(__file__).parent / "vectors"
SAID = json.loads((pathlib.Path(__file__).parent / "said.json").read_text())
FILES, CASES = {}, []


def saved(array, version=None):
    out = io.BytesIO()
    np.lib.format.write_array(out, array, version=version, allow_pickle=False)
    return out.getvalue()


def split(file, array):
    return file[: len(file) - array.nbytes], file[len(file) - array.nbytes :]


def good(name, array, metadata=b"", state=0, checked=True, spec=None, version=None):
    file = saved(array, version)
    header, data = split(file, array)
    FILES[name] = file + (tail(header, data, metadata, state) if checked else b"")
    fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    members = json.loads(metadata) if metadata else {}
    CASES.append({
        "file": name,
        "format": "npy",
        "spec": spec or spec_of(array.dtype),
        "shape": list(array.shape),
        "fortran_order": bool(fortran),
        "state": {0: "verified", 1: "open"}[state] if checked else "unchecked",
        "name": members.get("name"),
        "attrs": members.get("attrs"),
        "data_crc32c": f"{crc32c(data):08x}",
        "digest": digest(spec or spec_of(array.dtype), array.shape, data, fortran),
    })


def spec_of(dtype):
    return dtype.str


def good_frame(name, file, row):
    FILES[name] = file
    CASES.append({"file": name, "format": "frame"} | row)


def good_coded_frame(name, file, row):
    path = HERE / name
    kept = path.exists() and good_coded.agrees(path.read_bytes(), file, row)
    good_frame(name, path.read_bytes() if kept else file, row)


def bad(name, file, kind, message, offset=None, require=True):
    FILES[f"bad/{name}"] = file
    form = "npy" if name.endswith(".npy") else "frame"
    expected = {"kind": kind, "offset": offset, "message": message, "require_checksum": require}
    CASES.append({"file": f"bad/{name}", "format": form} | expected)


def bad_said(name, file, kind):
    """What ndbytes says of it, and of which byte, stands in a file of its own: much of it is its codecs' own words."""
    bad(name, file, kind, *SAID.get(name, (None, None)), require=False)


def header(descr="'<f8'", shape="(3,)", order="False", extra=""):
    text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, {extra}}}"
    text += " " * (64 - (10 + len(text) + 1) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode("latin1")


def flip(file, bit):
    changed = bytearray(file)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def goods():
    good("float64.npy", np.array([1.5, -2.25, np.pi]))
    good("bare.npy", np.array([1.5, -2.25, np.pi]), checked=False)
    good("big_endian_fortran.npy", np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3)))
    good("scalar.npy", np.array(True))
    good("empty.npy", np.zeros((0, 5), "<c16"))
    good("times.npy", np.array(["2020-02-29", "NaT"], "M8[25s]"))
    good("text.npy", np.array(["é日", ""], "<U3"))
    record = np.zeros(2, np.dtype({"names": ["a", "b"], "formats": ["<u2", ("<f4", (2,))], "offsets": [0, 4],
                                   "titles": ["Long", None], "itemsize": 16}))
    record["a"], record["b"] = [1, 2], [[1, 2], [3, 4]]
    good("record.npy", record, spec="{Long=a:<u2,:|V2,b:<f4[2],:|V4}")
    good("version3.npy", np.zeros(1, [("日", "|u1")]), spec="{'日':|u1}", version=(3, 0))
    good("metadata.npy", np.arange(4, dtype="|u1"),
         b'{"name":"counts","attrs":{"unit": "V", "n": 123456789012345678901}}')
    good("bfloat16.npy", np.array([0x3F80, 0xC000], "<u2").view("<V2"), b'{"dtype":"bfloat16"}', spec="bfloat16")
    good("open.npy", np.arange(4, dtype="|u1"), state=1)
    good("two_blocks.npy", np.arange((1 << 20) // 8 + 2, dtype="<i8"))


def bads():
    array = np.array([1.5, -2.25, np.pi])
    file = FILES["float64.npy"]
    h, d = split(saved(array), array)
    t = file[len(h) + len(d) :]
    no_tail = "bytes behind the array that are no checksum tail; only ndbytes.numpy.load passes over them"
    bad("flipped_data.npy", flip(file, 8 * 140 + 3), "Checksum",
        "block 0 of 0 to 0 (bytes 128 to 152) is damaged: its CRC-32C is "
        f"{crc32c(flip(file, 8 * 140 + 3)[128:152]):08x}, the tail says {crc32c(d):08x}", 128)
    bad("flipped_padding.npy", flip(file, 8 * 100), "Malformed",
        "npy header: dict: expected the end, found '!'", 100)
    bad("flipped_order.npy", header(order="True ", shape="(2, 2)") + bytes(32)
        + tail(header(order="False", shape="(2, 2)"), bytes(32)), "Checksum",
        "the header (bytes 0 to 128) is damaged: its CRC-32C does not hold", 0)
    bad("flipped_tail.npy", flip(file, 8 * (len(file) - 1)), "Checksum",
        f"the checksum tail (bytes 152 to {len(file)}) is damaged: its own CRC-32C does not hold", 152)
    fields = len(h) + len(d) + 128 + 12
    bad("flipped_tail_fields.npy", flip(file, 8 * fields), "Checksum",
        f"the checksum tail (bytes 152 to {len(file)}) is damaged: its own CRC-32C does not hold", 152)
    bad("flipped_tail_magic.npy", flip(file, 8 * (len(h) + len(d) + 128)), "Malformed", no_tail, 152)
    bad("cut_data.npy", file[:150], "Truncated",
        "shape (3,) of <f8 needs 24 bytes of data, the input has 22", 150)
    bad("cut_tail.npy", file[:-1], "Truncated",
        f"the checksum tail is cut: the input ends {len(t) - 1} bytes into it", len(file) - 1)
    bad("cut_header.npy", file[:50], "Truncated",
        "npy header: the input ends after 50 bytes, at least 128 are needed", 50)
    bad("bare_where_required.npy", h + d, "Truncated",
        "no checksum tail: the file is bare or was cut; to read it unchecked, do not require a checksum "
        "(require_checksum=False, or npy=True on a stream); `ndbytes checksum` adds one", 152)
    bad("open_where_required.npy", FILES["open.npy"], "Truncated",
        "the checksum tail is marked open: a writer did not finish; `ndbytes checksum` seals it", 132)
    bad("trailing.npy", h + d + b"x" * 200, "Malformed", no_tail, 152, require=False)
    bad("second_array.npy", h + d + h + d, "Malformed", no_tail, 152, require=False)
    bad("behind_the_tail.npy", file + b"x", "Malformed", no_tail, len(file), require=False)
    bad("tail_version.npy", h + d + tail(h, d, version=1), "Unsupported",
        "checksum tail of version 1; 0 is read: update ndbytes", 152)
    bad("tail_of_another.npy", h + d + tail(h, d + b"x"), "Malformed",
        "the checksum tail is for 25 bytes in blocks of 1048576, the array has 24 in blocks of 1048576", 152)
    bad("no_magic.npy", b"PK\x03\x04" + bytes(60), "Malformed",
        "not a .npy or .ndb file: expected \\x93NUMPY or \\x89NDBF, found PK\\x03\\x04\\x00\\x00; "
        "this looks like a zip or .npz archive", 0)
    bad("version4.npy", file[:6] + b"\x04" + file[7:], "Unsupported", "npy version 4.0; 1.0, 2.0 and 3.0 are read", 6)
    bad("header_length.npy", b"\x93NUMPY\x02\x00" + struct.pack("<I", 0xFFFFFFF0) + b"{'descr'", "Limit",
        "npy header is 4294967280, at most 1048576 are allowed", 8)
    bad("overflow.npy", header(shape="(4294967296, 4294967296)"), "Limit",
        "npy header: the array's size overflows; at most 9223372036854775807 bytes are allowed")
    bad("overflow_of_nothing.npy", header(shape="(0, 9223372036854775807, 9223372036854775807)"), "Limit",
        "npy header: the array's size overflows; at most 9223372036854775807 bytes are allowed")
    bad("object.npy", header("'|O'") + b"\x80\x04N.", "Unsupported",
        'npy header: descr: "|O" is an object dtype, which means pickle; convert the array to numbers or '
        "fixed-size strings", 20)
    twice = header(extra="'descr': '<f4', ")
    bad("duplicate_key.npy", twice + bytes(24), "Malformed",
        'npy header: duplicate key "descr"; ndbytes.numpy.load takes the last one, as np.load does',
        twice.rindex(b"'descr'"))
    bad("negative.npy", header(shape="(-1,)"), "Malformed",
        'npy header: shape: expected an integer from 0, found "-1"', header(shape="(-1,)").index(b"-1"))
    bad("terabyte.npy", header(shape=f"({1 << 37},)") + bytes(10), "Truncated",
        f"shape ({1 << 37},) of <f8 needs {1 << 40} bytes of data, the input has 10", 138)


def main():
    goods()
    good_frames.goods(good_frame)
    good_coded.goods(good_coded_frame)
    good_growing.goods(good_coded_frame)
    bads()
    bad_frames.bads(bad)
    bad_coded.bads(bad_said)
    bad_growing.bads(bad_said)
    FILES["vectors.json"] = (json.dumps(CASES, indent=1, ensure_ascii=False) + "\n").encode()
    if "--check" in sys.argv:
        found = {path.relative_to(HERE).as_posix(): path.read_bytes() for path in HERE.rglob("*.*")}
        stale = sorted(name for name in found.keys() | FILES.keys() if found.get(name) != FILES.get(name))
        sys.exit(f"stale: {stale}" if stale else None)
    (HERE / "bad").mkdir(parents=True, exist_ok=True)
    for name, data in FILES.items():
        (HERE / name).write_bytes(data)


if __name__ == "__main__":
    main()
