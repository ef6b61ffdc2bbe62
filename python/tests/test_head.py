"""`ndbytes head` prints what NumPy's `print` prints."""

import warnings

import hypothesis.extra.numpy as hnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from command import ndb  # noqa: F401

# One item, a line, several lines, abridged, axes of length 1 and 0, more axes, abridged axes beside whole ones.
SHAPES = [(), (1,), (3,), (25,), (1000,), (1001,), (0,), (2, 0), (1, 1), (4, 5), (3, 40), (40, 30), (7, 150),
          (2, 3, 4), (1, 1, 2, 2), (11, 10, 10), (2, 2, 2, 2, 2), (5, 5, 5, 5, 2), (1200, 1), (1, 1200)]
ORDERS = [lambda a: a, np.asfortranarray, lambda a: a[::-1] if a.ndim else a, lambda a: a.T]

rng = np.random.default_rng(20260824)
# Casts of infinities and NaN: what they warn of is meant.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def bits(dtype, shape):
    """Any bits at all."""
    dtype = np.dtype(dtype)
    size = int(np.prod(shape)) * dtype.itemsize
    return np.frombuffer(rng.bytes(size), dtype, count=-1).reshape(shape) if size else np.empty(shape, dtype)


def small(dtype, shape):
    return rng.integers(0, 100, shape).astype(dtype)


def decimal(dtype, shape):
    """Numbers of few digits and of one size: printed without an exponent, mostly."""
    return (rng.integers(-(10**4), 10**4, shape) / 10 ** rng.integers(0, 5)).astype(dtype)


def spread(dtype, shape):
    """Zeros, signs, infinities, NaN among numbers of all sizes."""
    values = rng.standard_normal(shape) * 10.0 ** rng.integers(-6, 6, shape)
    special = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1e-4, 1e8, 1000.0])
    return np.where(rng.random(shape) < 0.2, rng.choice(special, shape), values).astype(dtype)


def times(unit, size=10**6):
    def make(dtype, shape):
        counts = rng.integers(-size, size, shape)
        nat = np.iinfo("i8").min
        return np.where(rng.random(shape) < 0.1, nat, counts).astype("i8").view(dtype).reshape(shape)

    return make


LETTERS = "a b'\"\\\n\t\x00\x7f\x80é\xa0\xad\u0378\u200b\u2028\ud800\ue000日😀\U000e0001\U0010ffff"


def text(dtype, shape):
    dtype = np.dtype(dtype)
    letters = LETTERS if dtype.kind == "U" else [letter.encode("latin-1", "replace") for letter in LETTERS]
    size = dtype.itemsize // (4 if dtype.kind == "U" else 1)
    words = [letters[0][:0].join(rng.choice(list(letters), rng.integers(0, size + 1)).tolist()) for _ in range(40)]
    if dtype.kind == "U":
        # Half a surrogate pair cannot be encoded by Python's own print, nor by ours.
        words = [word if shape else word.replace("\ud800", "") for word in words]
    return np.array([words[at] for at in rng.integers(0, 40, int(np.prod(shape)))], dtype).reshape(shape)


FLOATS = ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8"]
INTEGERS = ["?", "i1", "u1", "<i2", ">u2", "<i4", ">i4", "<u8", ">i8"]
UNITS = ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as", "25s", "7D", "100Y", "6M"]

CLASSES = {f"integers {name}": (name, bits if name != "?" else small) for name in INTEGERS}
CLASSES |= {f"small {name}": (name, small) for name in INTEGERS[1:]}
for name in FLOATS + ["<c8", ">c8", "<c16"]:
    CLASSES |= {f"{how.__name__} {name}": (name, how) for how in (bits, decimal, spread)}
CLASSES |= {f"M8[{unit}]": (f"<M8[{unit}]", times(unit)) for unit in UNITS}
CLASSES |= {f"wide M8[{unit}]": (f">M8[{unit}]", times(unit, 10**14)) for unit in ["M", "D", "h", "s", "ns", "as"]}
CLASSES |= {f"m8{unit}": (f"<m8{unit}", times(unit)) for unit in ["", "[Y]", "[s]", "[25ns]"]}
CLASSES |= {f"text {name}": (name, text) for name in ["S1", "S7", "<U1", "<U5", ">U5"]}
CLASSES |= {f"void {name}": (name, bits) for name in ["V1", "V5", "V16"]}


@pytest.mark.parametrize("name", CLASSES)
def test_classes(ndb, name):
    dtype, make = CLASSES[name]
    arrays = [ORDERS[at % len(ORDERS)](make(dtype, shape)) for at, shape in enumerate(SHAPES)]
    compare(ndb, arrays)


RECORDS = {
    "one": [("only", "<f8")],
    "plain": [("a", "?"), ("b", ">i4"), ("c", "<f4"), ("d", "S3"), ("e", "<U2"), ("f", "V2")],
    "complex": [("c", "<c8"), ("d", ">c16"), ("f", "<f2")],
    "times": [("when", "<M8[ms]"), ("took", ">m8[25s]"), ("none", "<m8")],
    "nested": [("t", "<u8"), ("p", [("x", "<f8"), ("q", [("z", "?"), ("w", "<i2")])])],
    "subarrays": [("v", "<f4", (3,)), ("m", ">i2", (2, 2)), ("b", "?", (2,)), ("s", "S2", (1, 2))],
    "records in a subarray": [("p", [("x", "<f8"), ("b", "?")], (2, 2))],
    "empty subarrays": [("a", "<f8", (0,)), ("b", "<i4", (2, 0)), ("n", "u1")],
    "gaps": {"names": ["a", "b"], "formats": ["<i2", ">f8"], "offsets": [2, 9], "itemsize": 20},
    "titles": [(("Long title", "a"), "<f4"), (("ß", "b"), "|S3")],
}


@pytest.mark.parametrize("name", RECORDS)
def test_records(ndb, name):
    def fill(dtype, shape):
        if dtype.subdtype:
            base, inner = dtype.subdtype
            return fill(base, (*shape, *inner))
        if dtype.names is None:
            make = {"f": spread, "c": spread, "M": times("s"), "m": times("s"), "S": text, "U": text, "V": bits}
            return make.get(dtype.kind, small)(dtype, shape)
        array = np.zeros(shape, dtype)
        for field in dtype.names:
            array[field] = fill(dtype.fields[field][0], shape)
        return array

    dtype = np.dtype(RECORDS[name])
    shapes = [(), (1,), (2,), (9,), (1001,), (3, 2), (2, 0), (1, 2, 3), (40, 30)]
    compare(ndb, [fill(dtype, shape) for shape in shapes])


@pytest.mark.parametrize("shape", [(1000,), (1001,), (10, 200), (1001, 2), (5, 300), (8, 8, 16), (2, 2, 2)])
def test_long_subarrays_are_abridged(ndb, shape):
    dtype = np.dtype([("a", "<i4", shape), ("b", "<f8", shape)])
    array = np.zeros(2, dtype)
    array["a"][:] = np.arange(np.prod(shape)).reshape(shape)
    array["b"][:] = np.arange(np.prod(shape)).reshape(shape) / 8
    compare(ndb, [array, array[0].reshape(()), array[:1]])


def test_every_half(ndb):
    halves = np.arange(1 << 16, dtype="u2").view("f2")
    compare(ndb, [*halves.reshape(-1, 64)])
    each = ndb.json("head", *ndb.save([half for half in halves[::37]]))
    assert [found["text"] for found in each] == [str(half) for half in halves[::37]]


@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "c16"])
def test_edges_of_notation(ndb, dtype):
    """Numbers around each power of ten, and around what turns to an exponent."""
    real = np.dtype(dtype).type(0).real.dtype
    powers = np.array([10.0**n for n in range(-12, 18)] + [5e-324, 1.7e308, 3.4e38, 1e-45, 2.0**53]).astype(real)
    near = np.concatenate([powers, np.nextafter(powers, real.type(0)), np.nextafter(powers, real.type(np.inf))])
    pairs = [np.array([value, other], dtype) for value in near[::5] for other in near[::7]]
    compare(ndb, [np.array(value, dtype) for value in near] + [np.array([-value], dtype) for value in near] + pairs)


def test_ties_between_shortest_digits(ndb):
    """Large floats of one digit's distance: two shortest spellings may be equally near."""
    steps = [np.ldexp(np.arange(2**22, 2**22 + 40, dtype="f8"), n).astype("f4") for n in range(0, 60, 3)]
    steps += [np.ldexp(np.arange(2**51, 2**51 + 40, dtype="f8"), n) for n in range(0, 60, 3)]
    steps += [np.ldexp(1.0, np.arange(-1074, 1024)), np.ldexp(1.0, np.arange(-149, 128)).astype("f4")]
    compare(ndb, [value for step in steps for value in step[:120:3]])


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "c8", "c16"])
def test_any_floats(ndb, dtype):
    element = {"f2": 16, "f4": 32, "f8": 64}
    if dtype in element:
        numbers = st.floats(width=element[dtype])
    else:
        numbers = st.complex_numbers(width=np.dtype(dtype).itemsize * 8)
    array = hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=8), elements=numbers)

    @settings(deadline=None)
    @given(st.lists(array, min_size=1, max_size=20))
    def check(arrays):
        compare(ndb, arrays)

    check()


@pytest.mark.parametrize("dtype", ["<i8", "<U6", "S6", "<M8[us]", "m8[h]"])
def test_any_others(ndb, dtype):
    # What Python's Unicode does not know yet, ours may.
    known = st.text(st.characters(exclude_categories=["Cn"], exclude_characters="\0"), max_size=6) if "U" in dtype else None
    array = hnp.arrays(dtype, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=8), elements=known)

    @settings(deadline=None)
    @given(st.lists(array, min_size=1, max_size=20))
    def check(arrays):
        compare(ndb, arrays)

    check()


EXTENSIONS = ["bfloat16", "float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fn", "float8_e4m3fnuz",
              "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"]


@pytest.mark.parametrize("name", EXTENSIONS)
def test_extension_floats(ndb, name):
    """ml_dtypes' floats, which a header cannot spell, as raw bytes."""
    dtype = np.dtype(getattr(ml_dtypes, name))
    codes = np.arange(256 ** dtype.itemsize, dtype=f"u{dtype.itemsize}")
    for array in [codes.view(dtype)[start : start + 1000] for start in range(0, codes.size, 1000)]:
        (ndb.folder / "codes.raw").write_bytes(array.tobytes())
        assert ndb.run("head", "codes.raw", "--raw", f"{name}[{array.size}]") == f"{array}\n"
    (ndb.folder / "codes.raw").write_bytes(codes.tobytes())
    assert ndb.run("head", "codes.raw", "--raw", name, "--slice", "60") == f"{str(codes.view(dtype)[60])}\n"


def test_long_doubles_are_carried_not_read(ndb):
    (ndb.folder / "long.raw").write_bytes(bytes(range(16)))
    assert ndb.run("head", "long.raw", "--raw", "longdouble[1]") == "[0x000102030405060708090a0b0c0d0e0f]\n"


SLICES = ["0:3,:", ":,0", "-1", "::-1", "..., 1", "1, ..., -2", "2:5, 1:4", "::3, ::-2", "-3:", ":-2", "5:2", "100:",
          "[0:2, 3]", "...", "1:2, ..."]


@pytest.mark.parametrize("slice", SLICES)
def test_slices_are_pythons(ndb, slice):
    arrays = [np.arange(60).reshape(6, 10), np.asfortranarray(np.arange(210.0).reshape(7, 6, 5)),
              np.arange(3000).reshape(60, 50)]
    expected = [str(eval(f"a[{slice.strip('[]')}]", {"a": array})) for array in arrays]
    assert ndb.heads(arrays, "--slice", slice) == expected


def test_slices_of_many_kinds(ndb):
    array = np.arange(20)
    names = ndb.save([array])
    bounds = [None, -25, -20, -3, -1, 0, 1, 7, 19, 20, 25]
    for step in [None, 1, 3, 100, -1, -4]:
        for start in bounds[::2]:
            for stop in bounds:
                spelled = ":".join("" if part is None else str(part) for part in (start, stop, step))
                if step in (None, 3, -4):
                    assert ndb.run("head", *names, f"--slice={spelled}") == f"{array[start:stop:step]}\n", spelled


def test_rows(ndb):
    array = np.arange(5000).reshape(100, 50)
    assert ndb.heads([array], "-n", "2") == [str(array[:2])]
    assert ndb.heads([array], "-n", "0") == ["[]"]
    assert ndb.heads([array], "-n", "1000") == [str(array)]


def test_slice_errors_say_axis_and_range(ndb):
    (name,) = ndb.save([np.zeros((2, 3))])
    error = ndb.run("head", name, "--slice", ":, 3", exit=2)
    assert "axis 1 has no index 3: its length is 3, so -3 to 2 are allowed" in error and name in error
    assert "3 slices for an array of 2 axes" in ndb.run("head", name, "--slice", ":,:,:", exit=2)
    for bad in ["", "x", "::0", "1:2:3:4", "..., ..."]:
        assert "--slice" in ndb.run("head", name, f"--slice={bad}", exit=2)


def test_raw_bytes_and_json(ndb):
    array = np.arange(12, dtype=">u2").reshape(3, 4)
    (ndb.folder / "bare.raw").write_bytes(b"head" + array.tobytes())
    options = ["--raw", ">u2[3,4]", "--offset", "4"]
    assert ndb.run("head", "bare.raw", *options) == f"{array}\n"
    (found,) = ndb.json("head", "bare.raw", *options, "--slice", "1")
    assert found == {"path": "bare.raw", "spec": ">u2[4]", "text": str(array[1])}


def compare(ndb, arrays):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = [str(array) for array in arrays]
    found = [line["text"] for line in ndb.json("head", *ndb.save(arrays))]
    wrong = [pair for pair in zip(expected, found, strict=True) if pair[0] != pair[1]]
    assert not wrong, f"{len(wrong)} of {len(arrays)}; NumPy:\n{wrong[0][0]}\nndbytes:\n{wrong[0][1]}"
    # The text a person sees is the same.
    assert ndb.heads(arrays[:3]) == expected[:3]
