"""A writer of coded frames, made from FORMAT.md (section 8) for the vectors: slow, short, and all of it can be broken.

>>> import coded
>>> whole = coded.frame("<i2", [3], [2], bytes(6))
>>> len(whole) - len(coded.header("<i2", [3], [2]))
170
>>> coded.filtered(bytes([1, 0, 3, 0, 2, 0]), "<i2", [3], coded.PREDICT * 1 + coded.ARRANGE * 1).hex()
'020401000000'
>>> coded.filtered(struct.pack("<3d", 0.5, 0.25, -7), "<f8", [3], coded.DECIMAL, digits=2, width=2).hex()
'3200190044fd'
>>> coded.filtered(struct.pack("<3d", 0.5, -0.0, -7), "<f8", [3], coded.DECIMAL, digits=2, width=2).hex()
'3200320044fd'
>>> coded.decimal_front(struct.pack("<3d", 0.5, -0.0, -7), "<f8", [3], coded.DECIMAL, digits=2, width=2).hex(" ", 4)
'02020100 01000000 00000000 00000080'
>>> coded.stored(b"abcdabcd", 0, cuts=[4]).hex(" ", 4)
'0200 04000000 04000000 04000000 04000000 61626364 61626364'
"""

import itertools
import json
import math
import struct

import numpy as np

import frame as plain
from dtypes import itemsize
from sums import crc32c, with_sum

MAGIC = b"\x89NDBI\r\n\x1a"
ARRANGE, PREDICT, PLANES, DECIMAL = 1, 4, 32, 64
PAGE = 1024


def frame(dtype, shape, lengths, data, order="C", choose=None, compress=None, **said):
    """A whole frame; `choose(number)` gives what `block_of` shall do with a block."""
    head = header(dtype, shape, lengths, order, **said)
    return whole(head, blocks(dtype, shape, lengths, data, order, choose, compress), shape, order)


def whole(head, blocks, shape, order="C", **broken):
    fields = {"rows": (shape[:: -1 if order == "F" else 1] or [1])[0], "d": int.from_bytes(head[16:24], "little")}
    return head + b"".join(blocks) + index(head, blocks, **fields | broken)


def header(dtype, shape, lengths, order="C", filter=0, codec=0, name=None, attrs=None):
    text = json.loads(plain.header(dtype, shape, order)[24:-4]) | {"block": lengths}
    text |= {} if name is None else {"name": name}
    text = json.dumps(text, ensure_ascii=False, separators=(",", ":"))[:-1] + (f',"attrs":{attrs}' if attrs else "") + "}"
    d = itemsize(dtype) * math.prod(shape)
    return plain.header_of(text.encode(), d, flags=1, filter=filter, codec=codec)


def blocks(dtype, shape, lengths, data, order="C", choose=None, compress=None):
    size, turn = itemsize(dtype), -1 if order == "F" else 1
    array = np.ndarray(shape[::turn], f"V{size}", data)
    steps = [range(0, n, length) for n, length in zip(shape, lengths, strict=True)][::turn]
    boxes = itertools.product(*steps) if data else []
    parts = [array[tuple(slice(i, i + n) for i, n in zip(box, lengths[::turn]))] for box in boxes]
    return [block_of(part.tobytes(), dtype, list(part.shape), compress, **(choose(i) if choose else {}))
            for i, part in enumerate(parts)]


def block_of(items, dtype, box, compress=None, filter=0, codec=0, digits=0, width=0, listed=(), cuts=(), raw=(), **broken):
    """A block; its segments must get shorter, but for those in `raw`. Elements in `listed` are exceptions in any case."""
    rows = broken.pop("rows", (box or [1])[0])
    if codec == 0:
        return block(items, items, rows, **{"filter": filter} | broken)
    front = decimal_front(items, dtype, box, filter, digits, width, listed) if filter & DECIMAL else b""
    kind = pco_type(dtype, filter, width)
    data = filtered(items, dtype, box, filter, digits, width, listed)
    found = front + stored(data, codec, cuts, raw, compress and (lambda codec, part: compress(codec, part, kind)))
    assert len(found) <= len(items), (len(found), len(items))
    return block(items, found, rows, filter, codec, **broken)


def block(items, stored, rows, filter=0, codec=0, s=None, zero=0, stored_sum=None, items_sum=None):
    sums = [crc32c(data) if said is None else said for data, said in ((stored, stored_sum), (items, items_sum))]
    return with_sum(struct.pack("<IBBHIII", len(stored) if s is None else s, filter, codec, zero, rows, *sums)) + stored


def index(head, blocks, entries=None, sums=None, **said):
    places = itertools.accumulate(map(len, blocks), initial=len(head))
    entries = entries or [entry(place, block) for place, block in zip(places, blocks)]
    pages = [b"".join(entries[i : i + PAGE]) for i in range(0, len(entries), PAGE)]
    sums = b"".join(struct.pack("<I", crc32c(page)) for page in pages) if sums is None else sums
    fields = {"magic": MAGIC, "version": 0, "flags": 0, "zero": 0, "header": crc32c(head[:-4]), "B": len(blocks), "rows": 0,
              "d": 0, "t": len(head) + sum(map(len, blocks)), "zeros": 0, "sums_sum": crc32c(sums)} | said
    return b"".join(pages) + sums + with_sum(struct.pack("<8sBBHIQQQQQI", *fields.values()))


def entry(at, block, **broken):
    s, _, _, _, rows, stored_sum, items_sum = struct.unpack("<IBBHIII", block[:20])
    fields = {"place": at, "s": s, "rows": rows, "stored_sum": stored_sum, "items_sum": items_sum} | broken
    return struct.pack("<QIIII", *fields.values())


def stored(data, codec, cuts=(), raw=(), compress=None):
    """Segments of the filtered bytes; those numbered in `raw` are not compressed, and none where nothing compresses."""
    bounds = [0, *cuts, len(data)]
    parts = [data[start:end] for start, end in itertools.pairwise(bounds)]
    short = [compress(codec, part) if compress and i not in raw else part for i, part in enumerate(parts)]
    assert all(len(found) < len(part) or not compress or i in raw for i, (found, part) in enumerate(zip(short, parts)))
    return segments([len(part) for part in parts], short)


def segments(lengths, parts):
    table = [struct.pack("<II", length, len(part)) for length, part in zip(lengths, parts)]
    return struct.pack("<H", len(parts)) + b"".join(table + parts)


def elements(dtype):
    """Bytes of an element, elements of an item, byte order."""
    size, kind = itemsize(dtype), dtype.lstrip("<>|")
    if kind in ("c8", "c16"):
        w = size // 2
    elif kind[0] == "U":
        w = 4
    else:
        w = 1 if kind[0] in "SV{" or kind in ("f16", "c32") else size
    return w, size // w, "big" if dtype[0] == ">" else "little"


def pco_type(dtype, filter, width):
    w, _, _ = elements(dtype)
    if filter >= DECIMAL or filter & 28:
        return f"<u{width or w}"
    kind = {"M": "i", "m": "i", "c": "f"}.get(dtype[1], dtype[1])
    return f"<{kind}{w}"


def filtered(items, dtype, box, filter, digits=0, width=0, listed=()):
    """What a filter makes of the items of a block with these lengths along the storage axes."""
    (w, _, _), (numbers, box) = elements(dtype), planed(items, dtype, box, filter)
    if filter & DECIMAL:
        integers = decimals(numbers, w, digits, width, listed)
        kept = itertools.accumulate(integers, lambda last, i: last if i is None else i)
        numbers, w = [0 if i is None else i for i in kept], width  # An exception has the integer before it.
    if predict := filter >> 2 & 7:
        for axis in ((), (-1,), (-1, -2), (-1, -2, -3), (-2,))[predict]:
            step, n = math.prod(box[len(box) + axis + 1 :]), box[axis]
            numbers = [x - (numbers[i - step] if i // step % n else 0) for i, x in enumerate(numbers)]
        numbers = [folded(signed(number, w)) for number in numbers]
    return arranged([number % 256**w for number in numbers], w, filter & 3)


def planed(items, dtype, box, filter):
    """The elements and their box, planes first where the filter has them."""
    w, m, order = elements(dtype)
    numbers = [int.from_bytes(items[i : i + w], order) for i in range(0, len(items), w)]
    box = list(box) + [m] * (m != 1)
    if not filter & PLANES:
        return numbers, box
    return [number for place in range(box[-1]) for number in numbers[place :: box[-1]]], box[-1:] + box[:-1]


def decimal_front(items, dtype, box, filter, digits, width, listed=()):
    """What stands before the segments: digits, width, and the exceptions."""
    (w, _, _), (numbers, _) = elements(dtype), planed(items, dtype, box, filter)
    integers = decimals(numbers, w, digits, width, listed)
    exceptions = [(i, number) for i, number in enumerate(numbers) if integers[i] is None]
    return decimal_front_of(digits, width, exceptions, w)


def decimal_front_of(digits, width, exceptions, w):
    found = [struct.pack("<I", place) + bits.to_bytes(w, "little") for place, bits in exceptions]
    return struct.pack("<BBH", digits, width, len(found)) + b"".join(found)


def decimals(numbers, w, digits, width, listed):
    """The integer of each element, or None where it is an exception."""
    return [None if i in listed else decimal_of(bits, w, digits, width) for i, bits in enumerate(numbers)]


def decimal_of(bits, w, digits, width):
    letter = {4: "f", 8: "d"}[w]
    (x,) = struct.unpack(f"<{letter}", bits.to_bytes(w, "little"))
    i = round(x * 10**digits) if math.isfinite(x * 10**digits) else 256**8
    fits = -(256**width) // 2 <= i < 256**width // 2
    exact = fits and struct.pack(f"<{letter}", float(i) / float(10**digits)) == bits.to_bytes(w, "little")
    return i % 256**width if exact else None


def signed(number, w):
    number %= 256**w
    return number - 256**w if number >= 256**w // 2 else number


def folded(e):
    return 2 * e if e >= 0 else -2 * e - 1


def arranged(numbers, w, arrange):
    data = b"".join(number.to_bytes(w, "little") for number in numbers)
    if arrange == 1:
        return b"".join(data[byte::w] for byte in range(w))
    if arrange == 0:
        return data
    full = len(numbers) // 8 * 8
    bits = [number >> bit & 1 for bit in range(8 * w) for number in numbers[:full]]
    eights = (bits[i : i + 8] for i in range(0, len(bits), 8))
    return bytes(sum(bit << i for i, bit in enumerate(eight)) for eight in eights) + data[full * w :]
