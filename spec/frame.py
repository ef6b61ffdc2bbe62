"""The frame in pure Python, written from FORMAT.md: slow, short, independent of ndbytes. Coded frames it refuses.

>>> whole = frame("<i2", [2, 3], bytes(range(12)), name="counts", attrs='{"unit": "V"}')
>>> array = read(whole)
>>> array["dtype"], array["shape"], array["order"], array["name"], array["attrs"], array["state"]
('<i2', [2, 3], 'C', 'counts', '{"unit": "V"}', 'sealed')
>>> read(whole[:-1])
Traceback (most recent call last):
sums.FormatError: truncated: 43 bytes of a tail of 44
>>> read(whole.replace(b"counts", b"Counts"))
Traceback (most recent call last):
sums.FormatError: checksum: the header
"""

import json
import math
import re
import struct

from dtypes import itemsize
from sums import FormatError, crc32c, holds_its_sum, read_record, record_length, sums_record, with_sum

MAGIC = b"\x89NDBF\r\n\x1a"
MAX_HEADER = 1 << 20  # From strangers 1 << 16.
MAX_SIZE = 2**63 - 1
WHITE = " \t\n\r"


def frame(dtype, shape, data, order="C", name=None, attrs=None, state=0):
    """A whole frame; `attrs` is the text of a JSON object."""
    head = header(dtype, shape, order, name, attrs)
    return head + data + sums_record(crc32c(head[:-4]), data, state=state)


def header(dtype, shape, order="C", name=None, attrs=None):
    """A header as writers should make it (section 6)."""
    members = [f'"dtype":{quote(dtype)}', f'"shape":{json.dumps(shape, separators=(",", ":"))}', f'"order":"{order}"']
    members += [f'"name":{quote(name)}'] if name is not None else []
    members += [f'"attrs":{attrs.strip(WHITE)}'] if attrs is not None else []
    return header_of(f"{{{','.join(members)}}}".encode(), itemsize(dtype) * math.prod(shape))


def quote(text):
    return json.dumps(text, ensure_ascii=False)


def frame_of(text, data, d=None, **numbers):
    """The frame with this JSON text, whatever it says."""
    head = header_of(text, len(data) if d is None else d, **numbers)
    return head + data + sums_record(crc32c(head[:-4]), data)


def header_of(text, d, h=None, version=0, flags=0, filter=0, codec=0):
    """The header with this JSON text; one that breaks the rules can be made too."""
    padded = -(-(28 + len(text)) // 64) * 64
    fields = MAGIC + struct.pack("<BBBBIQ", version, flags, filter, codec, padded if h is None else h, d)
    return with_sum((fields + text).ljust(padded - 4))


def read(file, required=True):
    """Reads a file that is one frame (section 7)."""
    array = read_header(file)
    h, d = array["h"], array["d"]
    data, tail = file[h : h + d], file[h + d :]
    n = record_length(d)
    if len(data) < d:
        raise FormatError("truncated", f"{len(data)} bytes of data of {d}")
    if len(tail) < n:
        raise FormatError("truncated", f"{len(tail)} bytes of a tail of {n}")
    state, metadata = read_record(tail[:n], array["sum"], data, required=required)
    if len(tail) > n:
        raise FormatError("malformed", "bytes behind the frame")
    return array | {"data": data, "state": state}


def read_header(file, max_header=MAX_HEADER):
    """What the header at the front says: h, d, its sum, dtype, shape, order, name, attrs."""
    if not file.startswith(MAGIC[: len(file)]):
        raise FormatError("malformed", "no magic of a frame")
    if len(file) < 24:
        raise FormatError("truncated", f"{len(file)} bytes of a header")
    version, flags, filter, codec, h, d = struct.unpack("<BBBBIQ", file[8:24])
    if h > max_header:
        raise FormatError("limit", f"a header of {h} bytes")
    if h < 64 or h % 64 != 0:
        raise FormatError("malformed", f"a header of {h} bytes")
    if len(file) < h:
        raise FormatError("truncated", f"{len(file)} bytes of a header of {h}")
    if not holds_its_sum(file[:h]):
        raise FormatError("checksum", "the header")
    if version == 0 and flags in (1, 3):
        raise FormatError("unsupported", "a coded frame, which python/ndbytes_reader.py reads")
    if (version, flags, filter, codec) != (0, 0, 0, 0):
        raise FormatError("unsupported", f"version {version}, flags {flags}, filter {filter}, codec {codec}")
    try:
        array = described(file[24 : h - 4].decode())
    except (UnicodeError, RecursionError, json.JSONDecodeError) as error:
        raise FormatError("malformed", f"the header's JSON: {error}") from None
    if array.pop("nbytes") != d:
        raise FormatError("malformed", f"{d} bytes are not those of dtype and shape")
    return array | {"h": h, "d": d, "sum": crc32c(file[: h - 4])}


def described(text):
    """What the JSON object says of the array."""
    texts = members(text)
    values = {key: json.loads(texts[key], parse_int=length) for key in texts.keys() & {"dtype", "shape", "order", "name"}}
    dtype, shape, order = values.get("dtype"), values.get("shape"), values.get("order", "C")
    name, attrs = values.get("name", ""), texts.get("attrs")
    if not (unicode(dtype) and type(shape) is list and order in ("C", "F") and unicode(name)):
        raise FormatError("malformed", "dtype, shape, order or name")
    if attrs is not None and attrs[0] != "{":
        raise FormatError("malformed", "attrs")
    if len(shape) > 64 or not all(type(n) is int and n <= MAX_SIZE for n in shape):
        raise FormatError("malformed", f"shape {shape}")
    size = itemsize(dtype)
    if max(size, 1) * math.prod(n or 1 for n in shape) > MAX_SIZE:
        raise FormatError("limit", "the array's size")
    nbytes = size * math.prod(shape)
    return {"dtype": dtype, "shape": shape, "order": order, "name": values.get("name"), "attrs": attrs, "nbytes": nbytes}


def length(digits):
    return int(digits) if re.fullmatch("[0-9]{1,19}", digits) else digits


def unicode(value):
    return isinstance(value, str) and not re.search("[\ud800-\udfff]", value)


def members(text):
    """The members of a JSON object as texts: attributes are kept as they were written, digits and all."""
    check_depth(text)
    found, at = {}, skip(text, 0)
    if text[at : at + 1] != "{":
        raise FormatError("malformed", "the header's JSON is no object")
    at = skip(text, at + 1)
    while text[at : at + 1] != "}":
        if found:
            at = skip(text, expect(text, at, ","))
        expect(text, at, '"')
        key, at = DECODER.raw_decode(text, at)
        start = skip(text, expect(text, skip(text, at), ":"))
        _, end = DECODER.raw_decode(text, start)
        if key in found and key in ("dtype", "shape", "order", "name", "attrs"):
            raise FormatError("malformed", f"the key {key!r} stands twice")
        found[key], at = text[start:end], skip(text, end)
    if skip(text, at + 1) != len(text):
        raise FormatError("malformed", "text behind the header's JSON")
    return found


def refuse(constant):
    raise FormatError("malformed", f"{constant} is not JSON")


DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=refuse)


def skip(text, at):
    return len(text) - len(text[at:].lstrip(WHITE))


def expect(text, at, character):
    if text[at : at + 1] != character:
        raise FormatError("malformed", f"the header's JSON: no {character} at character {at}")
    return at + 1


def check_depth(text):
    depth = 0
    for bracket in re.sub(r'"([^"\\]|\\.)*"', "", text):
        depth += (bracket in "[{") - (bracket in "]}")
        if depth > 64:
            raise FormatError("malformed", "brackets nest more than 64 deep")
