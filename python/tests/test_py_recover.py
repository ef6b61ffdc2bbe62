"""`load(recover=True)`: what is left of a damaged file, and a mask of what nothing vouches for."""

import io

import numpy as np
import pytest

import ndbytes as ndb
from npyfiles import numpy_save

BLOCK = 1 << 20


@pytest.fixture(params=["checked .npy", "frame"])
def stored(request):
    """An array of four blocks in Fortran order, its bytes, and where its data begin."""
    array = np.random.default_rng(3).random((3, 150_000)).astype(">f8").T
    data = ndb.dumps(array, codec="none" if request.param == "frame" else None)
    start = data.index(array.T.tobytes()[:64])
    return array, bytearray(data), start


def recovered(data):
    array, mask = ndb.load(io.BytesIO(data), recover=True)
    assert mask.dtype == bool and mask.shape == array.shape and array.flags.writeable
    return array, mask


def blocks(array, damaged):
    """The mask of the items that have a byte in one of these blocks."""
    first = np.arange(array.size) * array.itemsize // BLOCK
    last = (np.arange(array.size) * array.itemsize + array.itemsize - 1) // BLOCK
    flat = np.isin(first, damaged) | np.isin(last, damaged)
    return flat.reshape(array.shape, order="F")


def test_a_whole_file_comes_back_whole(stored):
    array, data, _ = stored
    found, mask = recovered(data)
    assert found.dtype == array.dtype and np.array_equal(found, array) and not mask.any()


@pytest.mark.parametrize("damaged", [[0], [3], [1, 2], [0, 2]])
def test_damaged_blocks_are_masked_and_the_others_are_right(stored, damaged):
    array, data, start = stored
    for block in damaged:
        data[start + block * BLOCK + 1000] ^= 0x10
    with pytest.raises(ndb.ChecksumError):
        ndb.loads(data)
    found, mask = recovered(data)
    assert np.array_equal(mask, blocks(array, damaged))
    assert np.array_equal(found[~mask], array[~mask]) and not np.array_equal(found, array)


def test_what_was_cut_off_is_zeros_and_nothing_is_vouched_for(stored):
    array, data, start = stored
    found, mask = recovered(data[: start + 2 * BLOCK])
    assert mask.all()
    there = ~blocks(array, [2, 3])
    assert np.array_equal(found[there], array[there]) and not found[~there].any()


def test_without_sums_nothing_is_vouched_for():
    array = np.arange(5)
    found, mask = recovered(numpy_save(array))
    assert np.array_equal(found, array) and mask.all()


def test_a_damaged_header_cannot_be_recovered_from(stored):
    _, data, start = stored
    data[20] ^= 1
    if data[:6] == b"\x93NUMPY":
        data[10:20] = b"\xff" * 10
    with pytest.raises(ndb.Error):
        recovered(data)


def test_it_goes_with_expect_and_limits_alone(tmp_path):
    data = ndb.dumps(np.arange(5, dtype="<i8"))
    assert ndb.load(io.BytesIO(data), recover=True, expect="<i8[5]")[0].tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ndb.MismatchError, match=r"expected <f4, found <i8\[5\]"):
        ndb.load(io.BytesIO(data), recover=True, expect="<f4")
    with pytest.raises(ndb.LimitError):
        ndb.load(io.BytesIO(data), recover=True, limits=ndb.Limits(array=39))
    for options in ({"mmap": "r"}, {"dtype": "u1"}, {"require_checksum": True}):
        with pytest.raises(ndb.ArgumentError, match="recover reads what is left of a checked file"):
            ndb.load(io.BytesIO(data), recover=True, **options)
