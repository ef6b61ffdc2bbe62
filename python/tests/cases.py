"""Every class of dtype and of layout, and arrays that have them."""

import functools

import ml_dtypes
import numpy as np

from oracle import is_extension

UNITS = ["M8", "M8[Y]", "M8[D]", "M8[ns]", "M8[25s]", "m8", "m8[W]", "m8[us]", "m8[7ms]", "m8[as]"]
NUMBERS = ["u2", "u4", "u8", "i2", "i4", "i8", "f2", "f4", "f8", "g", "c8", "c16", "G"]
EXTENSIONS = [
    "bfloat16",
    "float8_e3m4",
    "float8_e4m3",
    "float8_e4m3b11fnuz",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
]
RECORDS = {
    "packed": [("a", "u1"), ("b", "<f4"), ("c", "<i2")],
    "nested": [("t", "<u8"), ("p", [("x", "<f8"), ("n", "<U2"), ("q", [("z", "|b1")])])],
    "subarray": [("t", "<u8"), ("img", "<u2", (3, 2)), ("of", ("<i4", (2,)), (3,))],
    "offsets": {"names": ["a", "b"], "formats": ["<i2", "<f8"], "offsets": [2, 9], "itemsize": 20},
    "titles": [(("Long title", "a"), "<f4"), (("ß", "b"), "|S3")],
    "times": [("when", "<M8[25s]"), ("took", ">m8[us]")],
    "bigendian": [("a", ">u2"), ("b", ">c8", (2,)), ("c", [("u", ">U2"), ("d", "<f8")])],
    "mixed order": [("a", ">i4"), ("b", "<i4")],
    "one": [("only", "<f8")],
    "unordered": {"names": ["b", "a"], "formats": [">i4", "<i4"], "offsets": [4, 0], "itemsize": 8},
    "overlapping": {"names": ["all", "low"], "formats": ["<u4", "<u2"], "offsets": [0, 0], "itemsize": 4},
}


def dtypes():
    """Each class of dtype by name."""
    numbers = ["?", "i1", "u1", *("<" + n for n in NUMBERS), *(">" + n for n in NUMBERS)]
    times = ["<" + unit for unit in UNITS] + [">M8[D]", ">M8[ns]", ">m8", ">m8[25s]"]
    texts = ["S1", "S5", "S16", "<U1", "<U3", ">U3", ">U4", "V1", "V3", "V8", "V12", "V32"]
    found = {name: np.dtype(name) for name in numbers + times + texts}
    found |= {name: np.dtype(getattr(ml_dtypes, name)) for name in EXTENSIONS}
    found |= {name: np.dtype(fields) for name, fields in RECORDS.items()}
    found["aligned"] = np.dtype([("a", "u1"), ("b", "<f8"), ("c", [("d", "u1"), ("e", ">i4")])], align=True)
    found["extended"] = np.dtype([("w", ml_dtypes.bfloat16, (2,)), ("n", "<i4"), ("s", ml_dtypes.float8_e5m2)])
    return found


DTYPES = dtypes()

# Shapes that cross the edges of tiles (257 and more rows and columns of every item size).
LAYOUTS = {
    "C": lambda make: make(259, 257),
    "F": lambda make: make(257, 259).T,
    "transposed 3-D": lambda make: make(5, 33, 261).transpose(2, 0, 1),
    "middle first": lambda make: make(33, 5, 261).transpose(1, 0, 2),
    "negative": lambda make: make(257, 259)[::-1],
    "negative last": lambda make: make(257, 131)[::-1, ::-1].T,
    "[::2, ::3]": lambda make: make(515, 260)[::2, ::3],
    "[1::2, ::-3] of F": lambda make: make(391, 259).T[1::2, ::-3],
    "broadcast": lambda make: np.broadcast_to(make(257, 1), (257, 300)),
    "broadcast outer": lambda make: np.broadcast_to(make(1, 300), (40, 7, 300)),
    "0-d": lambda make: make(3, 3)[1:2, 2:].reshape(()),
    "empty": lambda make: make(4, 0, 257),
    "empty slice": lambda make: make(300, 4)[5:5, ::-1],
    "unaligned": lambda make: make(257, 259, skip=1),
    "unaligned F": lambda make: make(130, 257, skip=3).T,
    "overlapping windows": lambda make: windows(make(300), 257),
    "6-D": lambda make: make(3, 2, 4, 5, 2, 67)[:, ::-1, ::2].transpose(5, 2, 0, 4, 3, 1),
    "one column": lambda make: make(1500, 3)[:, 1],
    "one axis": lambda make: make(70_001),
}


@functools.cache
def pool():
    return np.random.default_rng(20260824).integers(0, 256, 1 << 23, "u1")


def make(dtype, shape, skip=0):
    """An array of random bytes; with `skip`, behind so many more."""
    size = int(np.prod(shape)) * dtype.itemsize
    memory = pool()[: skip + size].copy()
    assert memory.size == skip + size
    # Kept as the base, so that the whole of it goes to the oracle.
    return np.ndarray(shape, dtype, buffer=memory, offset=skip)


@functools.lru_cache(maxsize=2)
def array(dtype, layout):
    """The array with this class of dtype and of layout."""
    return LAYOUTS[layout](lambda *shape, skip=0: make(DTYPES[dtype], shape, skip))


def windows(array, width):
    """All windows of so many items, one in each row: items that many rows share."""
    shape, strides = (array.size - width + 1, width), array.strides * 2
    return np.ndarray(shape, array.dtype, buffer=array.base, strides=strides)


def plain(dtype):
    """The dtype with integers in place of what NumPy's `astype` does not swap: extension floats, times without a unit."""
    if dtype.subdtype:
        base, shape = dtype.subdtype
        return np.dtype((plain(base), shape))
    if dtype.names is None:
        generic = dtype.kind in "Mm" and np.datetime_data(dtype)[0] == "generic"
        integer = is_extension(dtype) or generic
        return np.dtype(f"u{dtype.itemsize}").newbyteorder(dtype.byteorder) if integer else dtype
    fields = [dtype.fields[name] for name in dtype.names]
    parts = {"formats": [plain(f[0]) for f in fields], "offsets": [f[1] for f in fields]}
    return np.dtype({"names": dtype.names, "itemsize": dtype.itemsize, **parts})


def swapped(array, endian):
    """The array with its numbers in this byte order, as NumPy converts it."""
    array = array.view(plain(array.dtype))
    return array.astype(array.dtype.newbyteorder(endian))


def has_text(dtype):
    if dtype.names:
        return any(has_text(dtype.fields[name][0]) for name in dtype.names)
    return dtype.base.kind == "U"


def padding(dtype):
    """The bytes of an item that no field covers, as a mask."""
    covered = np.zeros(dtype.itemsize, bool)
    if dtype.subdtype:
        base, shape = dtype.subdtype
        return np.tile(padding(base), int(np.prod(shape)))
    if dtype.names is None:
        return covered
    for name in dtype.names:
        field, offset = dtype.fields[name][:2]
        covered[offset : offset + field.itemsize] |= ~padding(field)
    return ~covered


def check(found, wanted, dtype=None):
    """Byte for byte, but for bytes that no field covers: NumPy writes there whatever the heap held."""
    __tracebackhide__ = True
    assert len(found) == len(wanted)
    if found == wanted:
        return
    differs = np.frombuffer(found, "u1") != np.frombuffer(wanted, "u1")
    if dtype is not None and dtype.names:
        differs = differs.reshape(-1, dtype.itemsize) & ~padding(dtype)
    if differs.any():
        first = int(np.argmax(differs))
        raise AssertionError(
            f"{np.count_nonzero(differs)} bytes differ, the first is byte {first}: "
            f"{found[first : first + 40]!r}, wanted {wanted[first : first + 40]!r}"
        )
