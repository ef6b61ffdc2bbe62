"""A writer of frames that grow, made from FORMAT.md (section 10) for the vectors: all of it can be broken.

>>> import growing
>>> head = growing.header("<i2", [3], [2])
>>> b'"shape":[null],' in head, head[9], len(growing.whole(head, [])) - len(head)
(True, 3, 64)
>>> steps = growing.steps("<i2", [3], [2], bytes(6), [[2], [1]])
>>> [len(block) for blocks in steps for block in blocks]
[28, 26]
>>> len(growing.whole(head, steps)) - len(head)
374
>>> growing.end_record(n=7).hex(" ", 4)
'00000000 00ff0000 00000000 07000000 00000000 07cbe457'
>>> [growing.first(n, [1, 2, 3, 4, 5, 6][:n - 1], [0, 0, 2, 0, 4, 4][:n - 1]) for n in range(1, 8)]
[0, 0, 2, 0, 4, 4, 6]
"""

import json
import math
import struct

import coded
from dtypes import itemsize
from frame import header_of
from sums import crc32c, with_sum

MAGIC = b"\x89NDBG\r\n\x1a"


def frame(dtype, shape, lengths, data, bands, choose=None, compress=None, firsts=None, **said):
    """A whole frame of this (true) shape; `bands` says for each step how many rows each of its bands has."""
    found = steps(dtype, shape, lengths, data, bands, choose, compress)
    return whole(header(dtype, shape, lengths, **said), found, firsts)


def header(dtype, shape, lengths, filter=0, codec=0, **said):
    text = coded.header(dtype, [0, *shape[1:]], lengths, **said)[24:-4].rstrip()
    return header_of(text.replace(b'"shape":[0', b'"shape":[null', 1), 0, flags=3, filter=filter, codec=codec)


def steps(dtype, shape, lengths, data, bands, choose=None, compress=None):
    """The blocks of each step; `choose(number)` gives what `coded.block_of` shall do with a block."""
    row, number, found = itemsize(dtype) * math.prod(shape[1:]), 0, []
    for heights in bands:
        found.append([])
        for height in heights:
            items, data = data[: height * row], data[height * row :]
            box, chosen = [height, *shape[1:]], choose and (lambda i: choose(number + i))
            band = coded.blocks(dtype, box, [height, *lengths[1:]], items, "C", chosen, compress)
            found[-1] += band
            number += len(band)
    assert not data, f"{len(data)} bytes in no band"
    return found


def whole(head, steps, firsts=None, ends=None, indices=None, grid=None, **said):
    """The frame of these steps. Of step `i`, `firsts[i]` says the first block in its index, `ends[i]` breaks the end
    record, and `indices[i]` the index; what is `said` breaks the mark."""
    row, wide = grid or grid_of(head)
    body, entries, rows, ended, counts, began = b"", [], 0, {0: (0, 0)}, [], []
    for i, blocks in enumerate(steps):
        for number, block in enumerate(blocks):
            entries.append(coded.entry(len(head) + 64 + len(body), block))
            rows += struct.unpack("<I", block[8:12])[0] if number % wide == 0 else 0
            body += block
        n = len(entries)
        at = (firsts or {}).get(i, first(n, counts, began))
        body += end_record(**{"n": n - at} | (ends or {}).get(i, {}))
        back, bound = ended.get(at, (0, 0))
        fields = {"entries": entries[at:], "B": n, "rows": rows, "d": bound, "zeros": back}
        fields["t"] = len(head) + 64 + len(body)
        body += coded.index(head, [], **fields | (indices or {}).get(i, {}))
        ended[n] = len(head) + 64 + len(body), int.from_bytes(body[-4:], "little")
        counts, began = [*counts, n], [*began, at]
    last = int.from_bytes(body[-4:], "little") if entries else 0
    fields = {"B": len(entries), "rows": rows, "d": rows * row, "end": len(head) + 64 + len(body), "last": last}
    return head + mark(head, **fields | said) + body


def grid_of(head):
    """Bytes of a row, and blocks of a band."""
    said = json.loads(head[24:-4])
    others, lengths = said["shape"][1:], said["block"][1:]
    return itemsize(said["dtype"]) * math.prod(others), math.prod(-(-n // b) for n, b in zip(others, lengths))


def first(n, counts, began):
    """Where a step's index should begin, behind which `n` blocks stand; before each earlier index stood `counts`
    blocks, the first of them in it `began`: the latest is covered if it has no more entries, then the one it backs."""
    at = (counts or [0])[-1]
    while at and at - (earlier := began[counts.index(at)]) <= n - at:
        at = earlier
    return at


def mark(head, **said):
    fields = {"magic": MAGIC, "version": 0, "flags": 0, "zero": 0, "header": crc32c(head[:-4]), "B": 0, "rows": 0,
              "d": 0, "end": len(head) + 64, "last": 0, "zeros": bytes(8)} | said
    return with_sum(struct.pack("<8sBBHIQQQQI8s", *fields.values()))


def end_record(**said):
    fields = {"s": 0, "filter": 0, "codec": 255, "zero": 0, "rows": 0, "n": 0} | said
    return with_sum(struct.pack("<IBBHIQ", *fields.values()))
