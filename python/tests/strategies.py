"""Random dtypes and layouts for hypothesis: arrays of random bytes, as wild as NumPy allows."""

import math

import ml_dtypes
import numpy as np
from hypothesis import strategies as st

from cases import EXTENSIONS, NUMBERS

UNITS = ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as"]

#: An array's bytes, at most: there are many arrays.
MOST_BYTES = 1 << 14
#: Now and then more, so that there are runs and blocks of more than a piece: one block is 1 MiB.
MANY_BYTES = 3 << 20

orders = st.sampled_from("<>")
shapes = st.lists(st.sampled_from([1, 2, 3, 4, 5, 7, 1, 2, 3, 0]), max_size=5).map(tuple)
lengths = st.one_of(st.integers(0, 4), st.integers(0, 17))
#: Names of fields: plain ones above all, and what quotes, escapes and each version of the header are there for.
NAMES = ["a", "b", "x1", "_", " ", "two words", "'", '"', "\\", "\n", "\0", "\x7f", "é", "ÿ", "ß'\"", "名前", "🙂"]
NAMES += ["\u202e", "(", "f0"]
# Which characters a header escapes changes with Python's version of Unicode: only known ones.
characters = st.characters(exclude_categories=["Cn", "Cs"])
texts = st.one_of(st.sampled_from(NAMES), st.text(characters, min_size=1, max_size=6))


@st.composite
def times(draw):
    unit = draw(st.one_of(st.just(""), st.sampled_from(UNITS)))
    multiple = draw(st.sampled_from(["", "1", "7", "25", "1000", "2147483647"])) if unit else ""
    return np.dtype(draw(orders) + draw(st.sampled_from(["M8", "m8"])) + (f"[{multiple}{unit}]" if unit else ""))


@st.composite
def extensions(draw):
    dtype = np.dtype(getattr(ml_dtypes, draw(st.sampled_from(EXTENSIONS))))
    # NumPy keeps an order for those of one byte as well, which means nothing.
    return dtype.newbyteorder(draw(orders)) if dtype.itemsize > 1 else dtype


numbers = st.builds(lambda order, name: np.dtype(order + name), orders, st.sampled_from(["?", "i1", "u1", *NUMBERS]))
bytes_and_text = st.builds(lambda order, kind, n: np.dtype(f"{order}{kind}{n}"), orders, st.sampled_from("SUV"), lengths)


def scalars(extended=True):
    """Dtypes without fields; those of ml_dtypes only if `extended`, as NumPy itself cannot save them."""
    kinds = [numbers, numbers, times(), bytes_and_text]
    return st.one_of(*kinds, extensions()) if extended else st.one_of(*kinds)


@st.composite
def records(draw, children, ordered=False):
    """A record of fields out of `children`; if `ordered`, only what a `descr` can spell."""
    names = draw(st.lists(texts, min_size=0, max_size=4, unique=True))
    taken = set(names)
    fields = [field(draw, name, taken, children) for name in names]
    kind = draw(st.sampled_from(["packed", "packed", "aligned", "padded", "unordered", "overlapping"]))
    if kind in ("packed", "aligned"):
        return np.dtype(fields, align=kind == "aligned")
    packed = np.dtype(fields)
    formats = [packed.fields[name][0] for name in packed.names]
    sizes = [dtype.itemsize for dtype in formats]
    places = list(range(len(sizes)))
    if kind == "unordered" and not ordered:
        places = draw(st.permutations(places))
    offsets, end = [0] * len(sizes), 0
    for place in places:
        offsets[place] = end = end + draw(st.sampled_from([0, 0, 1, 3, 8]))
        if kind == "overlapping" and not ordered:
            offsets[place] = draw(st.integers(0, end))
        end += sizes[place]
    end = max([end, *(offset + size for offset, size in zip(offsets, sizes))])
    titles = [packed.fields[name][2] if len(packed.fields[name]) > 2 else None for name in packed.names]
    spelled = {"names": list(packed.names), "formats": formats, "offsets": offsets}
    spelled["itemsize"] = end + draw(st.sampled_from([0, 0, 1, 5]))
    if any(titles):
        spelled["titles"] = titles
    return np.dtype(spelled)


def field(draw, name, taken, children):
    """What `np.dtype` takes for a field: with a title or a shape of its own, or neither."""
    if draw(st.integers(0, 5)) == 0:
        title = draw(texts)
        # A title is a key beside the names.
        if title not in taken:
            taken.add(title)
            name = (title, name)
    dtype = draw(children)
    # Subarrays of items without size are refused: they would have a length that no byte stands for.
    if dtype.itemsize and draw(st.integers(0, 4)) == 0:
        return name, dtype, tuple(draw(st.lists(st.integers(0, 3), min_size=1, max_size=3)))
    return name, dtype


def dtypes(extended=True, ordered=False):
    """Every kind of dtype without objects: records in records too."""
    plain = scalars(extended)
    deep = st.recursive(plain, lambda children: records(children, ordered), max_leaves=6)
    return st.one_of(plain, records(plain, ordered), deep)


@st.composite
def arrays(draw, dtypes=dtypes(), large=True):
    """An array of up to five axes in any layout, over random bytes of which it may leave some out."""
    dtype = draw(dtypes)
    shape = draw(shapes)
    most = MANY_BYTES if large and shape and draw(st.integers(0, 40)) == 40 else MOST_BYTES
    while math.prod(shape) * dtype.itemsize > most:
        shape = shape[1:]
    if most == MANY_BYTES and shape:
        fits = most // max(1, math.prod(shape[:-1]) * dtype.itemsize)
        shape = (*shape[:-1], draw(st.integers(shape[-1], min(fits, 300_000))))
    strides, low, high = placed(draw, shape, max(dtype.itemsize, 1))
    skip = draw(st.sampled_from([0, 0, 0, 1, 2, 3, 5]))
    memory = np.frombuffer(bytearray(noise(draw(st.integers(0, 1 << 16)), skip - low + high + dtype.itemsize)), "u1")
    return np.ndarray(shape, dtype, buffer=memory, offset=skip - low, strides=strides)


def stored(array, order="C"):
    """Its bytes as they are, gaps too: NumPy's `tobytes` copies field by field where it can."""
    items = array.view(f"V{array.dtype.itemsize}") if array.dtype.itemsize else array
    return items.tobytes(order)


def has_descr(dtype):
    """Whether a `.npy` header can say it: NumPy's own word."""
    try:
        dtype.descr
    except ValueError:
        return False
    return True


def overlaps(dtype):
    """Whether two fields share bytes, at any depth."""
    if dtype.subdtype:
        return overlaps(dtype.base)
    fields = [dtype.fields[name][:2] for name in dtype.names or ()]
    taken = sorted((at, at + field.itemsize) for field, at in fields if field.itemsize)
    shared = any(end > start for (_, end), (start, _) in zip(taken, taken[1:]))
    return shared or any(overlaps(field) for field, _ in fields)


def is_numpys(dtype):
    """Whether NumPy itself can save it and read it back."""
    if dtype.subdtype:
        return is_numpys(dtype.base)
    if dtype.names is not None:
        return all(is_numpys(dtype.fields[name][0]) for name in dtype.names)
    return dtype.type.__module__ == "numpy"


def described(array):
    """For `np.printoptions(override_repr=…)`: what an array is made of. NumPy's own words fail for some."""
    items = array.tobytes()[:200].hex()
    return f"<array of {array.dtype!r}, shape {array.shape}, strides {array.strides}, in C order {items}>"


def placed(draw, shape, itemsize):
    """Strides, and how far the items reach below the first one and above it."""
    how = draw(st.sampled_from(["C", "F", "permuted", "permuted", "any"]))
    axes = list(range(len(shape)))
    axes = {"C": axes[::-1], "F": axes}.get(how) or draw(st.permutations(axes))
    strides, step, low, high = [0] * len(shape), itemsize, 0, 0
    for axis in axes:
        stride = step
        if how not in "CF":
            kinds = [1, -1, 0, 2, -3]
            stride *= draw(st.sampled_from(kinds))
        if how == "any" and draw(st.booleans()):
            stride = draw(st.integers(-40, 40))
        strides[axis] = stride
        reach = stride * max(shape[axis] - 1, 0)
        low, high = low + min(reach, 0), high + max(reach, 0)
        step = max(step, itemsize + high - low)
    return tuple(strides), low, high


def noise(seed, size):
    """Random bytes; a part of them zeros or all ones, as real data have."""
    random = np.random.default_rng(seed)
    found = random.integers(0, 256, size, "u1")
    if seed % 3 == 0:
        found[random.random(size) < 0.7] = 0 if seed % 2 else 255
    return found.tobytes()


#: What headers are made of, and what they are not.
TOKENS = [
    *[b"'descr'", b"'shape'", b"'fortran_order'", b"True", b"False", b"None", b"()", b"(3,)", b"(-1,)", b"(True,)", b"(1L,)"],
    *[b"99999999999999999999", b"1000000000000", b"'<f8'", b"'|O'", b"'O'", b"'<U99999999'", b"'|V0'", b"'<M8[3D]'", b"[]"],
    *[b"[('a', '<i4')]", b"[('', '|V4')]", b"{", b"}", b"'", b"\\", b"\n", b"\0", b"\xff", b"(", b")" * 3, b"[" * 300],
    *[b"lambda: 0", b"1j", b"-", b"# ", b"b''", b"f''", b"\x93NUMPY\x01\0", b"\x93NUMPY\x03\0"],
    *[b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"\x78\x9c"],
]

NUMBERS_OF_NOTE = [0, 1, 127, 255, 65535, 1 << 31, (1 << 63) - 1, (1 << 64) - 1]


@st.composite
def corrupted(draw, valid):
    """Bytes of one of these, with a few places changed, put in, left out or doubled; or bytes of nothing at all."""
    data = bytearray(draw(valid))
    for _ in range(draw(st.integers(0, 3))):
        # Where it hurts: headers stand in front, directories and tails at the end.
        at = draw(st.one_of(st.integers(0, 140), st.integers(0, len(data)), st.integers(-80, -1))) % (len(data) + 1)
        size = draw(st.integers(0, 20))
        how = draw(st.sampled_from(["bytes", "token", "cut", "number", "double"]))
        put = {
            "bytes": lambda: draw(st.binary(max_size=8)),
            "token": lambda: draw(st.sampled_from(TOKENS)),
            "cut": lambda: b"",
            "number": lambda: draw(st.sampled_from(NUMBERS_OF_NOTE)).to_bytes(8, "little")[:size],
            "double": lambda: bytes(data[at : at + size]) * 2,
        }[how]()
        if how == "cut" and draw(st.integers(0, 3)) == 0:
            size = len(data)
        data[at : at + (len(put) if how == "bytes" else size)] = put
    return bytes(data)
