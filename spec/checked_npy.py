"""The checked .npy format in pure Python, written from FORMAT.md: slow, short, independent of ndbytes.

>>> import io
>>> header = npy_header("'|u1'", "(3,)")
>>> data = bytes([1, 2, 3])
>>> read(header + data + tail(header, data))["state"]
'sealed'
"""

import ast
import json
import struct

MAGIC = b"\x89NDBT\r\n\x1a"
BLOCK = 1 << 20


def _table():
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        yield byte


TABLE = list(_table())


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def npy_header(descr, shape):
    """A version 1.0 header for an array in C order, as np.save writes it."""
    length = ast.literal_eval(shape)
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"
    if length:
        text += " " * (21 - len(repr(length[0])))
    pad = 64 - (10 + len(text) + 1) % 64
    text += " " * pad + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode("latin1")


def tail(header, data, metadata=b"", state=0, version=0):
    """The checksum tail of an array (section 3)."""
    sums = [crc32c(data[i : i + BLOCK]) for i in range(0, len(data), BLOCK)]
    content = MAGIC + struct.pack("<BBHIQII", version, state, 0, crc32c(header), len(data), BLOCK, len(metadata))
    content += struct.pack(f"<{len(sums)}I", *sums) + metadata
    whole = npy_header("'|u1'", f"({len(content) + 4},)") + content
    return whole + struct.pack("<I", crc32c(whole))


def _header(data):
    if data[:6] != b"\x93NUMPY":
        raise ValueError("malformed: no npy magic")
    size = {1: 2, 2: 4, 3: 4}[data[6]]
    start = 8 + size
    end = start + int.from_bytes(data[8:start], "little")
    text = data[start:end].decode("utf8" if data[6] == 3 else "latin1")
    return end, ast.literal_eval(text)


def read(file, itemsize=1):
    """Reads a whole checked file (section 6); the caller knows the item size."""
    h, fields = _header(file)
    d = itemsize
    for length in fields["shape"]:
        d *= length
    header, data, rest = file[:h], file[h : h + d], file[h + d :]
    if len(data) < d:
        raise ValueError("truncated: data")
    if not rest:
        return {"fields": fields, "data": data, "state": "unchecked", "metadata": {}}
    t, tail_fields = _header(rest)
    n = tail_fields["shape"][0]
    b = -(-d // BLOCK)
    if t != 128 or tail_fields["descr"] != "|u1" or len(rest) != 128 + n or n < 36 + 4 * b:
        raise ValueError("malformed: no tail")
    if crc32c(rest[:-4]) != int.from_bytes(rest[-4:], "little"):
        raise ValueError("checksum: tail")
    content = rest[128:-4]
    version, state, zero, header_sum, length, block, m = struct.unpack("<BBHIQII", content[8:32])
    if content[:8] != MAGIC or version != 0 or state > 1 or zero != 0:
        raise ValueError("unsupported: tail")
    if length != d or block != BLOCK or n != 36 + 4 * b + m:
        raise ValueError("malformed: tail")
    sums = struct.unpack(f"<{b}I", content[32 : 32 + 4 * b])
    metadata = content[32 + 4 * b :]
    if state == 0:
        if crc32c(header) != header_sum:
            raise ValueError("checksum: header")
        for index, expected in enumerate(sums):
            if crc32c(data[index * BLOCK : (index + 1) * BLOCK]) != expected:
                raise ValueError(f"checksum: block {index}")
    return {
        "fields": fields,
        "data": data,
        "state": "open" if state else "sealed",
        "metadata": json.loads(metadata) if metadata else {},
    }
