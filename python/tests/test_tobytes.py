"""Any layout to bytes in any order and byte order: the same bytes as NumPy's `tobytes`."""

import numpy as np
import pytest

import cases
from cases import DTYPES, LAYOUTS, check
from oracle import Refused

MIB = 1 << 20


@pytest.mark.parametrize("order", "CFAK")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_layout_and_order(oracle, dtype, layout, order):
    array = cases.array(dtype, layout)
    found = oracle.tobytes(array, order)
    # From 2.4 on NumPy's K is C except where text is among the fields; see below.
    theirs = "C" if order == "K" and cases.has_text(array.dtype) else order
    check(found, array.tobytes(theirs), array.dtype)
    if array.dtype.names:
        # What stands between the fields is the array's own, never what memory held before.
        check(found, array.view(f"V{array.itemsize}").tobytes(order))


def test_k_of_numpy_depends_on_the_dtype():
    """Why K is C here: NumPy's own K is, but not for text. When this fails, take the exception above away."""
    numbers, texts = np.arange(6, dtype="i4").reshape(2, 3).T, np.array([["a", "b", "c"], ["d", "e", "f"]]).T
    assert numbers.tobytes("K") == numbers.tobytes("C") != numbers.tobytes("F")
    assert texts.tobytes("K") == texts.tobytes("F") != texts.tobytes("C")


@pytest.mark.parametrize("endian", "<>")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [name for name in DTYPES if name != "overlapping"])
def test_every_dtype_and_layout_in_a_byte_order(oracle, dtype, layout, endian):
    array = cases.array(dtype, layout)
    for order, theirs in {"C": "C", "F": "F", "A": "F" if array.flags.fnc else "C"}.items():
        wanted = cases.swapped(array, endian).tobytes(theirs)
        check(oracle.tobytes(array, order, endian), wanted, array.dtype)


def test_overlapping_fields_have_no_other_byte_order(oracle):
    array = cases.array("overlapping", "C")
    assert oracle.tobytes(array, "C", "<") == array.tobytes()
    with pytest.raises(Refused, match="overlap") as refused:
        oracle.tobytes(array, "C", ">")
    assert refused.value.kind == "Unsupported"


# One dtype of each size that has a loop of its own, and some that have none.
SIZES = ["u1", "<u2", "V3", ">f4", "<f8", "V12", "<c16", "V32", "S100"]


@pytest.mark.parametrize("more", [-1, 0, 1, 300])
@pytest.mark.parametrize("dtype", SIZES)
def test_around_a_mebibyte(oracle, dtype, more):
    """Where data is cut into blocks of 1 MiB, and a little beyond two of them."""
    dtype = np.dtype(dtype)
    items = MIB // dtype.itemsize + more
    flat = cases.make(dtype, (items,))
    rows = cases.make(dtype, (257, -(-2 * items // 257)))
    for array in (flat, flat[::-1], rows, rows.T, rows[::2, ::3], rows[::-1, 1:]):
        for order in "CF":
            check(oracle.tobytes(array, order), array.tobytes(order))
            if dtype.kind != "V":
                check(oracle.tobytes(array, order, ">"), cases.swapped(array, ">").tobytes(order))


@pytest.mark.parametrize("shape", [(1, MIB + 1), (MIB + 1, 1), (2, 3 * MIB // 4), (3, 1, 400_000), (1, 1, 1), ()])
def test_axes_of_length_one(oracle, shape):
    array = cases.make(np.dtype("<u2"), shape)
    check(oracle.tobytes(array, "F"), array.tobytes("F"))
    check(oracle.tobytes(array.T, "A"), array.T.tobytes("A"))


@pytest.mark.parametrize("dtype", ["V0", "S0", "<U0", []])
@pytest.mark.parametrize("order", "CFAK")
def test_items_without_bytes(oracle, dtype, order):
    array = np.ndarray((3, 4), np.dtype(dtype))
    assert oracle.ask("tobytes", spelled(array.dtype), (3, 4), (0, 0), 0, order, None, b"") == [b""]


def spelled(dtype):
    return "[]" if dtype.names is not None else repr(dtype.str)


@pytest.mark.parametrize("order", ["X", "", "CF", "C "])
def test_other_orders_are_refused(oracle, order):
    with pytest.raises(Refused, match="order must be one of C, F, A or K") as refused:
        oracle.tobytes(np.zeros(3), order)
    assert refused.value.kind == "Argument"


@pytest.mark.parametrize("order", "cfak")
def test_orders_in_lower_case(oracle, order):
    array = cases.array("<f4", "transposed 3-D")
    check(oracle.tobytes(array, order), array.tobytes(order))


@pytest.mark.parametrize(
    "shape, strides, offset, size, why",
    [
        ((4,), (8,), 0, 31, "ends at byte 32, the data at byte 31"),
        ((4,), (8,), 1, 32, "ends at byte 33, the data at byte 32"),
        ((4,), (-8,), 23, 64, "strides reach 24 bytes below the offset 23"),
        ((2, 2), (1 << 62, 1 << 62), 0, 64, "overflows"),
        ((1 << 32, 1 << 32), (0, 0), 0, 64, "overflows"),
        ((2,), (8, 8), 0, 64, "2 strides for 1 axes"),
        ((1,) * 65, (8,) * 65, 0, 64, "64"),
    ],
)
def test_layouts_that_leave_the_data_are_refused(oracle, shape, strides, offset, size, why):
    with pytest.raises(Refused, match=why):
        oracle.ask("tobytes", "<f8", shape, strides, offset, "C", None, bytes(size))
