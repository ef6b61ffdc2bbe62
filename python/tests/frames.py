"""Frames in pure Python, written from `spec/FORMAT.md`, sections 1, 3 and 6, and nothing else."""

import json
import struct

from checked import BLOCK, crc32c

MAGIC = b"\x89NDBF\r\n\x1a"
TAIL_MAGIC = b"\x89NDBT\r\n\x1a"


def header(text, size, numbers=b"\0\0\0\0", length=None, pad=b" "):
    """A header with this JSON and a sum that holds; `numbers` are version, flags, filter and codec."""
    text = text.encode() if isinstance(text, str) else text
    length = -(-(len(text) + 28) // 64) * 64 if length is None else length
    front = MAGIC + numbers + struct.pack("<IQ", length, size) + text
    front += pad * (length - 4 - len(front))
    return front + struct.pack("<I", crc32c(front))


def members(dtype, shape, order="C", **more):
    """The JSON of a header, spelled as writers spell it."""
    values = {"dtype": dtype, "shape": list(shape), "order": order, **more}
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))


def tail(header_sum, data, state=0, version=0, zero=0, block=BLOCK, size=None, metadata=b""):
    """The tail of these data behind a header of this sum; the sums of its own hold."""
    size = len(data) if size is None else size
    front = TAIL_MAGIC + struct.pack("<BBHIQII", version, state, zero, header_sum, size, block, len(metadata)) + metadata
    sums = b"".join(struct.pack("<I", crc32c(data[i : i + BLOCK])) for i in range(0, len(data), BLOCK))
    return front + struct.pack("<I", crc32c(front)) + sums + struct.pack("<I", crc32c(sums))


def frame(dtype, shape, data, order="C", state=0, **more):
    """A whole frame."""
    front = header(members(dtype, shape, order, **more), len(data))
    return front + data + tail(sum_of(front), data, state)


def sum_of(front):
    """The sum that ends a header."""
    return struct.unpack("<I", front[-4:])[0]
