"""ndb.diff: the command line, NumPy's own comparisons, and arithmetic done here are the oracles."""

import json
import math
import os
import subprocess
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import ndbytes as ndb
from cases import DTYPES, LAYOUTS, array, make


@pytest.fixture(scope="module")
def command():
    path = os.environ.get("NDBYTES_BIN")
    assert path, "NDBYTES_BIN is not set: it names the binary `ndbytes`; `cargo xtask test` builds it and sets it"
    return os.path.abspath(path)


NUMBERS = st.sampled_from(["?", "i1", "<u2", ">i4", "<i8", "<u8", "<f2", "<f4", ">f8", "<c8", ">c16"])


@st.composite
def pairs(draw):
    """Two arrays of one shape whose values are often equal or near."""
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, max_side=4))
    few = [0, 1, -1, 2, 127, 255, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 1.5, -0.0, 1e300, math.inf, -math.inf, math.nan]

    def side():
        dtype = np.dtype(draw(NUMBERS))
        # As the dtype can hold it; what does not fit is whatever NumPy makes of it.
        with np.errstate(all="ignore"):
            values = draw(st.lists(st.sampled_from(few), min_size=math.prod(shape), max_size=math.prod(shape)))
            made = [np.array(value).astype(dtype) for value in values]
            return np.array(made, dtype).reshape(shape)

    return side(), side()


def exactly(a, b):
    """|a − b| of two Python numbers as a float, and whether they are equal; NaN equals NaN."""
    if a != a or b != b:
        return (True, 0.0) if a != a and b != b else (False, math.nan)
    if a == b:
        return True, 0.0
    if isinstance(a, complex) or isinstance(b, complex) or math.inf in (abs(a), abs(b)):
        return False, None
    return False, float(abs(Fraction(a) - Fraction(b)))


@settings(max_examples=settings().max_examples * 5)
@given(pairs())
def test_numbers_are_compared_exactly(pair):
    a, b = pair
    found = ndb.diff(a, b)
    verdicts = {}
    for at in np.ndindex(a.shape):
        x, y = a[at].item(), b[at].item()
        if isinstance(x, complex) or isinstance(y, complex):
            x, y = complex(x), complex(y)
            if int in (type(a[at].item()), type(b[at].item())):
                return  # An int as a complex is rounded here.
            parts = [exactly(x.real, y.real)[0], exactly(x.imag, y.imag)[0]]
            verdicts[at] = (all(parts), None)
        else:
            verdicts[at] = exactly(x, y)
    differing = [at for at, (equal, _) in verdicts.items() if not equal]
    assert (found.items, found.differing, found.equal, bool(found)) == (
        a.size, len(differing), not differing, bool(differing))
    assert found.first == (differing[0] if differing else None)
    errors = {at: error for at, (_, error) in verdicts.items() if error}
    if errors and all(error is not None for _, error in verdicts.values()):
        known = {at: error for at, error in errors.items() if error == error}
        assert found.max_abs == pytest.approx(max(known.values(), default=0.0), rel=1e-12)
    if found.identical:
        assert a.dtype == b.dtype and a.tobytes() == b.tobytes()


@given(hnp.arrays("<f8", (3, 4), elements=st.floats(-100, 100)), hnp.arrays("<f8", (3, 4), elements=st.floats(-100, 100)),
       st.sampled_from([0, 1e-3, 0.5]), st.sampled_from([0, 1e-3, 50]))
def test_tolerances_are_numpys(a, b, rtol, atol):
    found = ndb.diff(a, b, rtol, atol)
    near = np.isclose(a, b, rtol, atol)
    assert found.differing == (~near).sum()
    assert found.first == (tuple(np.argwhere(~near)[0].tolist()) if (~near).any() else None)
    errors = np.abs(a - b)
    assert found.max_abs == errors.max() and (found.max_abs == 0 or errors[found.max_abs_at] == errors.max())
    with np.errstate(all="ignore"):
        relative = np.where(errors == 0, 0, errors / np.abs(b))
    assert found.max_rel == relative.max() and (found.max_rel == 0 or relative[found.max_rel_at] == relative.max())


@pytest.mark.parametrize("name", DTYPES)
def test_every_dtype_equals_itself_and_one_item_may_differ(name):
    dtype = DTYPES[name]
    a = make(dtype, (5, 7))
    b = a.copy(order="F")
    assert b.strides != a.strides
    assert not ndb.diff(a, b) and ndb.diff(a, b).identical
    swapped = ndb.diff(a, a.astype(dtype.newbyteorder())) if name in ("<f8", ">u2", "<i8", "<c16") else None
    assert swapped is None or swapped.equal and not swapped.identical
    items = a.view(f"V{dtype.itemsize}").copy()
    other = make(dtype, (1,), skip=977).view(items.dtype)[0]
    items[3, 2] = other
    changed = items.view(dtype)
    found = ndb.diff(a, changed)
    if found:
        assert (found.differing, found.first) == (1, (3, 2)) and not found.identical
    else:  # Two bools that are both true, or two NaN.
        assert dtype.kind == "b" or name.startswith("float8")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_strides(layout):
    a = array("<f8", layout)
    b = np.array(a)
    assert ndb.diff(a, b).identical
    if a.size:
        last = tuple(length - 1 for length in a.shape)
        b[last] = np.nextafter(b[last], 0) if np.isfinite(b[last]) else 0.5
        assert ndb.diff(a, b).first == last


def test_what_is_equal_and_what_is_the_same():
    for a, b, equal, identical in [
        (np.array([0.0]), np.array([-0.0]), True, False),
        (np.array([np.nan]), np.array([-np.nan]), True, False),
        (np.array([np.nan]), np.array([np.nan]), True, True),
        (np.array([1], "<i4"), np.array([1], ">i4"), True, False),
        (np.array([1], "<i4"), np.array([1.0]), True, False),
        (np.array([2**63], "u8"), np.array([2.0**63]), True, False),
        (np.array([2**63 - 1]), np.array([2.0**63]), False, False),
        (np.array([True]), np.array([1], "u1"), True, False),
        (np.array(["NaT", "2020-01-01"], "M8[D]"), np.array(["NaT", "2020-01-01T00"], "M8[h]"), True, False),
        (np.array(["ab"]), np.array(["ab"], "<U9"), True, False),
        (np.array([b"ab"]), np.array([b"ab\0c"]), False, False),
        (np.zeros((0, 3)), np.zeros((0, 3)), True, True),
    ]:
        found = ndb.diff(a, b)
        assert (found.equal, found.identical) == (equal, identical), (a, b)


def test_gaps_do_not_count():
    dtype = np.dtype({"names": ["a", "b"], "formats": ["u1", "<f4"], "offsets": [0, 4], "itemsize": 12})
    a, b = np.zeros(3, "V12"), np.full(3, b"\xff" * 12, "V12")
    a, b = a.view(dtype), b.view(dtype)
    b["a"], b["b"] = 0, 0
    assert a.tobytes() != b.tobytes() and ndb.diff(a, b).identical
    b["b"][1] = 2
    found = ndb.diff(a, b)
    assert (found.first, found.left.tolist(), found.right.tolist(), found.max_abs) == ((1,), (0, 0.0), (0, 2.0), 2.0)
    assert found.max_rel == 1.0


def test_paths_and_handles(tmp_path):
    a = np.arange(6.0).reshape(2, 3)
    b = a.copy()
    b[1, 2] = 7
    ndb.save(tmp_path / "a.npy", a)
    ndb.save(tmp_path / "b.ndb", b)
    with ndb.open(tmp_path / "b.ndb") as handle:
        for left in [a, tmp_path / "a.npy", str(tmp_path / "a.npy")]:
            for right in [b, tmp_path / "b.ndb", handle]:
                found = ndb.diff(left, right)
                assert (found.differing, found.first, found.left, found.right) == (1, (1, 2), 5.0, 7.0)
                assert (found.max_abs, found.max_abs_at) == (2.0, (1, 2))
    with pytest.raises(FileNotFoundError):
        ndb.diff(a, tmp_path / "missing.npy")


@pytest.mark.parametrize("a, b, options, error, words", [
    (np.zeros(3), np.zeros(4), {}, ndb.MismatchError, r"shapes \[3\] and \[4\] differ"),
    (np.zeros(3), np.zeros((3, 1)), {}, ndb.MismatchError, "shapes"),
    (np.zeros(3), np.zeros(3, "S3"), {}, ndb.MismatchError, "not comparable: <f8 is never equal to"),
    (np.zeros(3, "i4,i4"), np.zeros(3), {}, ndb.MismatchError, "not comparable"),
    (np.zeros(3, "M8[D]"), np.zeros(3, "m8[D]"), {}, ndb.MismatchError, "not comparable"),
    ([1], np.zeros(1), {}, ndb.ArgumentTypeError, "found list"),
    (np.array([None]), np.zeros(1), {}, ndb.UnsupportedError, "holds Python objects"),
    (np.zeros(1), np.zeros(1), {"rtol": -1}, ndb.ArgumentError, "rtol must be a number from 0, found -1"),
    (np.zeros(1), np.zeros(1), {"atol": math.nan}, ndb.ArgumentError, "atol must be a number from 0, found nan"),
    (np.zeros(1), np.zeros(1), {"atol": math.inf}, ndb.ArgumentError, "found inf"),
    (np.zeros(1), np.zeros(1), {"atol": "1"}, ndb.ArgumentError, "found '1'"),
])
def test_mistakes(a, b, options, error, words):
    with pytest.raises(error, match=words):
        ndb.diff(a, b, **options)


@pytest.mark.parametrize("names", [("<f8", "<f4"), ("<i8", ">f8"), ("nested", "nested"), ("<M8[ns]", ">M8[D]"), ("<c16", "<f8"),
                                   ("bfloat16", "<f2"), ("S5", "S16"), (">U3", "<U1"), ("<g", "<g"), ("float8_e4m3", "u1")])
@pytest.mark.parametrize("atol", [0, 1e300])
def test_the_command_line_says_the_same(command, tmp_path, names, atol):
    a, b = make(DTYPES[names[0]], (40, 7)), make(DTYPES[names[1]], (40, 7), skip=5)
    if names[0] == names[1]:
        b[::2] = a[::2]
    ndb.save(tmp_path / "a.ndb", a)
    ndb.save(tmp_path / "b.ndb", b)
    done = subprocess.run([command, "diff", "--json", "--atol", str(atol), "a.ndb", "b.ndb"], cwd=tmp_path, capture_output=True)
    assert done.returncode in (0, 1), done.stderr
    said = json.loads(done.stdout)
    found = ndb.diff(tmp_path / "a.ndb", tmp_path / "b.ndb", atol=atol)
    assert (said["equal"], said["items"], said["differing"]) == (found.equal, found.items, found.differing)
    assert (said["first"] and tuple(said["first"]["index"])) == found.first
    largest = said["largest"]
    assert (float(largest["error"]) if largest else 0.0, largest and tuple(largest["index"])) == (
        found.max_abs, found.max_abs_at)
