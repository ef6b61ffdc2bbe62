"""The checked .npy format in pure Python, written from FORMAT.md: slow, short, independent of ndbytes.

>>> header = npy_header("'|u1'", "(3,)")
>>> data = bytes([1, 2, 3])
>>> read(header + data + tail(header, data))["state"]
'sealed'
"""

import ast
import json
import struct

from sums import MAGIC, FormatError, crc32c, read_record, record_length, sums_record


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
    """The checksum tail of an array (section 4)."""
    lead = npy_header("'|u1'", f"({record_length(len(data), len(metadata))},)")
    return sums_record(crc32c(header), data, metadata, state, lead, version)


def _header(data):
    if data[:6] != b"\x93NUMPY":
        raise FormatError("malformed", "no npy magic")
    size = {1: 2, 2: 4, 3: 4}[data[6]]
    start = 8 + size
    end = start + int.from_bytes(data[8:start], "little")
    text = data[start:end].decode("utf8" if data[6] == 3 else "latin1")
    return end, ast.literal_eval(text)


def read(file, itemsize=1, required=False):
    """Reads a whole checked file (section 5); the caller knows the item size."""
    h, fields = _header(file)
    d = itemsize
    for length in fields["shape"]:
        d *= length
    header, data, rest = file[:h], file[h : h + d], file[h + d :]
    if len(data) < d:
        raise FormatError("truncated", "data")
    if not rest and required:
        raise FormatError("truncated", "no tail")
    if not rest:
        return {"fields": fields, "data": data, "state": "unchecked", "metadata": {}}
    lead, record = rest[:128], rest[128:]
    if lead != npy_header("'|u1'", f"({len(record)},)") or len(record) < record_length(d) or record[:8] != MAGIC:
        raise FormatError("malformed", "bytes behind the array that are no tail, or a cut one")
    state, metadata = read_record(record, crc32c(header), data, lead, required)
    return {"fields": fields, "data": data, "state": state, "metadata": json.loads(metadata or b"{}")}
