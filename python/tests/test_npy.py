"""`.npy` byte for byte as `np.save` writes it, and each side reads the other's."""

import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import cases
from cases import DTYPES, LAYOUTS, check
from conftest import LONG
from npyfiles import header_length, numpy_load, numpy_save
from oracle import Refused, has_extension, spec

WITH_DESCR = [name for name in DTYPES if name not in ("unordered", "overlapping")]
SAVED_EXACTLY = [name for name in WITH_DESCR if not has_extension(DTYPES[name])]


def check_both_ways(oracle, array, version=None, chunk=0):
    """We write what NumPy writes; NumPy reads ours and we read NumPy's."""
    __tracebackhide__ = True
    dtype, fortran = array.dtype, array.flags.fnc
    theirs = numpy_save(array, version and (version, 0))
    ours = oracle.encode(array, version=version, chunk=chunk)
    start = header_length(theirs)
    assert ours[:start] == theirs[:start]
    check(ours[start:], theirs[start:], dtype)

    back = numpy_load(ours)
    assert (back.dtype, back.shape) == (dtype, array.shape)
    assert back.flags.fnc == fortran or not back.size
    check(back.tobytes("F" if fortran else "C"), ours[start:], dtype)

    read = oracle.decode(theirs, chunk=chunk)
    assert (read.dtype, read.shape, read.fortran, read.state) == (dtype, array.shape, fortran, "unchecked")
    assert (read.header, read.data) == (start, theirs[start:])
    return read


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", SAVED_EXACTLY)
def test_every_dtype_and_layout_as_np_save(oracle, dtype, layout):
    check_both_ways(oracle, cases.array(dtype, layout))


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("shape", [(), (0,), (7,), (3, 5), (5, 0, 2), (2, 3, 4)])
@pytest.mark.parametrize("dtype", SAVED_EXACTLY)
def test_every_dtype_and_version(oracle, dtype, shape, version):
    array = cases.make(DTYPES[dtype], shape)
    for variant in (array, array.T):
        assert check_both_ways(oracle, variant, version).version == version


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 64, 127, 128, 129, 4096])
@pytest.mark.parametrize("dtype", ["<f8", "packed", "<U3"])
def test_short_and_interrupted_reads_and_writes(oracle, dtype, chunk):
    check_both_ways(oracle, cases.make(DTYPES[dtype], (23, 11)).T, chunk=chunk)


def test_where_a_header_needs_version_2(oracle):
    """Names of each length around the end of what version 1 can hold."""
    versions = []
    for length in range(65_535 - 300, 65_535 - 20):
        array = np.zeros(2, [("n" * length, "u1")])
        versions.append(check_both_ways(oracle, array).version)
    assert set(versions) == {1, 2} and versions == sorted(versions)


def test_many_fields_need_version_2(oracle):
    array = cases.make(np.dtype([(f"field {i}", "<i4") for i in range(3000)]), (5,))
    assert check_both_ways(oracle, array).version == 2
    with pytest.raises(Refused, match=r"header length \d+ too big for npy version 1.0") as refused:
        oracle.encode(array, version=1)
    assert refused.value.kind == "Argument"


@pytest.mark.parametrize("version", [1, 2])
def test_names_beyond_latin1_need_version_3(oracle, version):
    array = cases.make(np.dtype([("µ", "<i4"), ("Ω", "<i4")]), (5,))
    assert check_both_ways(oracle, array[["µ"]].astype([("µ", "<i4")])).version == 1
    assert check_both_ways(oracle, array).version == 3
    with pytest.raises(Refused, match="'Ω' is not Latin-1 for npy version") as refused:
        oracle.encode(array, version=version)
    assert refused.value.kind == "Argument"


ODD_NAMES = [
    "it's",
    'a "quoted" one',
    "'both\"",
    "back\\slash",
    "tab\tand\nnewline\r",
    "\x00\x01\x1b\x7f",
    "\x80\x9f\xa0\xad\xff",
    "zero\u200bwidth\u200d",
    "private \ue000 \U000f0000 \U0010fffd",
    "no character \uffff \U0001fffe",
    "line \u2028 and paragraph \u2029",
    "e\u0301 is not \u00e9",
    "日本語 😀",
    " spaces ",
    "{'descr': '<f8'}",
    "#",
    "f0",
    "u'x'",
    "3L",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names(oracle, name):
    check_both_ways(oracle, cases.make(np.dtype([(name, "<i4"), ("plain", "u1")]), (3,)))
    check_both_ways(oracle, cases.make(np.dtype([((name, "plain"), "<i4", (2,)), ("b", [(name, "u1")])]), (3,)))


def is_known(character):
    return unicodedata.category(character) not in ("Cn", "Cs")


def names(dtype):
    """All characters of the names and titles of all fields."""
    fields = [(*dtype.fields[name], "")[:3] for name in dtype.names or ()]
    return "".join(dtype.names or ()) + "".join(title + names(field.base) for field, _, title in fields)


def test_every_character_that_python_knows(oracle):
    """`repr` decides which characters stand as they are. New versions of Unicode add to them, so only known ones."""
    known = [chr(c) for c in range(sys.maxunicode + 1) if is_known(chr(c))]
    for start in range(0, len(known), 4000):
        descr = repr([("".join(known[start : start + 4000]), "<i4")])
        assert oracle.descr(descr)[0] == descr


def test_half_a_surrogate_is_no_name(oracle):
    """NumPy writes and reads such names; they are no text."""
    data = numpy_save(np.zeros(2, [("\ud800", "u1")]))
    with pytest.raises(Refused, match="an escape of 4 digits that is no character") as refused:
        oracle.decode(data)
    assert (refused.value.kind, refused.value.offset) == ("Malformed", data.index(b"ud800") + 1)


@pytest.mark.parametrize("dtype", ["unordered", "overlapping"])
def test_dtypes_without_a_descr_are_refused(oracle, dtype):
    array = cases.make(DTYPES[dtype], (3,))
    with pytest.raises(ValueError, match="overlapping or out-of-order"):
        numpy_save(array)
    with pytest.raises(Refused, match="overlapping or out-of-order") as refused:
        oracle.encode(array)
    assert refused.value.kind == "Argument"


@pytest.mark.parametrize("dtype", WITH_DESCR)
def test_descr_and_spec_read_back(oracle, dtype):
    dtype = DTYPES[dtype]
    line = oracle.spec(spec(dtype))
    assert oracle.spec(line) == line
    if not has_extension(dtype):
        descr = repr(np.lib.format.dtype_to_descr(dtype))
        assert oracle.descr(descr) == (descr, line, dtype.itemsize)


@settings(max_examples=10_000 if LONG else 400)
@given(npst.nested_dtypes(), npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5), st.integers(0, 9))
def test_any_nesting_of_dtypes(oracle, dtype, shape, chunk):
    assume(dtype.subdtype is None and all(map(is_known, names(dtype))))
    check_both_ways(oracle, cases.make(dtype, shape), chunk=chunk)
