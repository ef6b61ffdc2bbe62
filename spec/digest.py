"""The digest of an array (FORMAT.md, section 15), in pure Python, with the BLAKE3 that its library has not.

>>> blake3(b"").hex()[:16], blake3(b"abc").hex()[:16]
('af1349b9f5f9a1a6', '6437b3ac38465133')
>>> digest("<u2", [2], bytes([1, 2, 3, 4])) == digest(">u2", [2], bytes([2, 1, 4, 3]))
True
>>> digest("{a:|u1,:|V1,b:<u2}", [1], b"a!bc") == digest("{a:|u1,:|V1,b:>u2}", [1], b"a?cb")
True
>>> digest("|u1", [2, 3], b"abcdef") == digest("|u1", [2, 3], b"adbecf", fortran=True)
True
"""

import functools
import math
import re
import struct

IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
ORDER = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
START, END, PARENT, ROOT = 1, 2, 4, 8
LANES = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
         (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))
TOKEN = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[<>|]?\w+|.""")


def digest(spelling, shape, data, fortran=False):
    """The digest of these items, in C or Fortran order, in the dtype of this spelling; long doubles are x87's."""
    tokens = TOKEN.findall(spelling.encode("ascii", "backslashreplace").decode())
    size, values, shared = parsed(tokens[::-1])
    big = [token for token in tokens if token[0] == ">" and not shared]
    if big:
        tokens = [token if token[0] != ">" else token[1:] if "bfloat" in token else "<" + token[1:] for token in tokens]
    items = bytearray()
    for place in places(shape, fortran):
        item = data[place * size : (place + 1) * size]
        made = bytearray(size)
        for at, length, unit, counts, is_big in values:
            for start in range(at, at + length, unit):
                value = item[start : start + unit]
                made[start : start + unit] = (value[::-1] if is_big and big else value)[:counts].ljust(unit, b"\0")
        items += made
    lead = f"ndbytes digest 0\n{''.join(tokens)}\n[{','.join(map(str, shape))}]\n"
    return blake3(lead.encode("ascii") + bytes(items)).hex()


def places(shape, fortran):
    """Where the items of an array stand, as they come in C order."""
    if not fortran:
        return range(math.prod(shape))
    found, stride = [0], 1
    for length in shape:
        found = [place + i * stride for place in found for i in range(length)]
        stride *= length
    return found


def parsed(tokens):
    """Of the type that these tokens, the first one last, begin with: its size, its values, whether fields share bytes.

    A value is an offset, a length, bytes that a change of byte order reverses, how many of these count, whether big.
    """
    word = tokens.pop()
    if word == "{":
        return record(tokens)
    bare = word.lstrip("<>|")
    if bare in ("M8", "m8") and tokens and tokens[-1] == "[" and not tokens[-2].isdigit():
        del tokens[-3:]
    number = int(re.search("[0-9]*$", bare)[0] or 1)
    size = {"float8": 1, "bfloat": 2}.get(bare.split("_")[0].rstrip("16"), number * (4 if bare[0] == "U" else 1))
    unit = {"U": 4, "c": size // 2, "S": size, "V": size}.get(bare[0], size)
    counts = 10 if bare in ("f16", "c32") else unit
    return size, [(0, size, unit, counts, word[0] == ">")] if size else [], False


def record(tokens):
    fields, end, shared = [], 0, False
    while tokens[-1] != "}":
        gap = tokens[-1] == ":"
        while tokens.pop() != ":":
            pass
        size, values, inner = parsed(tokens)
        while tokens[-1] == "[":
            lengths = [tokens.pop() for _ in range(tokens[::-1].index("]") + 1)]
            count = math.prod(int(length) for length in lengths if length.isdigit())
            values = [(i * size + at, *rest) for i in range(count) for at, *rest in values]
            size *= count
        offset = int((tokens.pop(), tokens.pop())[1]) if tokens[-1] == "@" else end
        end = max(end, offset + size)
        if not gap:
            fields.append((offset, size, [(offset + at, *rest) for at, *rest in values]))
            shared |= inner
        if tokens[-1] == ",":
            tokens.pop()
    tokens.pop()
    if tokens and tokens[-1] == "/":
        tokens.pop()
        end = int(tokens.pop())
    overlap = any(a < b + n and b < a + m for i, (a, m, _) in enumerate(fields) for b, n, _ in fields[:i] if m and n)
    if overlap:  # What lies between the values inside is a value to the other.
        fields = [(at, size, [(at, size, size, size, False)] if size else []) for at, size, _ in fields]
    return end, [value for _, _, values in fields for value in values], shared or overlap


@functools.cache  # A megabyte takes seconds.
def blake3(data):
    return struct.pack("<8I", *tree(data, 0, ROOT))


def tree(data, counter, root):
    """The chaining value of bytes that begin at this chunk."""
    if len(data) <= 1024:
        return chunk(data, counter, root)
    left = 1 << ((len(data) - 1) // 1024).bit_length() - 1  # Chunks: the largest power of two that leaves something.
    words = tree(data[: left * 1024], counter, 0) + tree(data[left * 1024 :], counter + left, 0)
    return compress(IV, words, 0, 64, PARENT | root)


def chunk(data, counter, root):
    chain, starts = IV, range(0, len(data) or 1, 64)
    for start in starts:
        block = data[start : start + 64]
        flags = START * (start == 0) | (END | root) * (start == starts[-1])
        chain = compress(chain, struct.unpack("<16I", block.ljust(64, b"\0")), counter, len(block), flags)
    return chain


def compress(chain, words, counter, length, flags):
    v = [*chain, *IV[:4], counter & 0xFFFFFFFF, counter >> 32, length, flags]
    for _ in range(7):
        for step, (a, b, c, d) in enumerate(LANES):
            for word, by_d, by_b in ((words[2 * step], 16, 12), (words[2 * step + 1], 8, 7)):
                v[a] = (v[a] + v[b] + word) & 0xFFFFFFFF
                v[d] = turned(v[d] ^ v[a], by_d)
                v[c] = (v[c] + v[d]) & 0xFFFFFFFF
                v[b] = turned(v[b] ^ v[c], by_b)
        words = [words[i] for i in ORDER]
    return [v[i] ^ v[i + 8] for i in range(8)]


def turned(word, by):
    return (word >> by | word << 32 - by) & 0xFFFFFFFF
