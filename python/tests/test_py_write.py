"""Handles that are written to: NumPy's arrays are the oracle, and the files say what they hold meanwhile."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import ndbytes as ndb
from cases import DTYPES, make
from handles import indices, mutable, same
from npyfiles import numpy_save


@settings(max_examples=settings().max_examples * 3)
@given(st.data())
def test_every_index_writes_what_numpys_does(tmp_path_factory, data):
    folder = functools.cache(tmp_path_factory.mktemp)("written")
    kind = data.draw(st.sampled_from(["npy", "checked", "raw", "gaps"]))
    array = np.array(make(np.dtype("<i4"), (5, 3, 4)), order=data.draw(st.sampled_from("CF")) if kind != "gaps" else "C")
    mode = data.draw(st.sampled_from(["r+", "c"]))
    path, options, handle = mutable(folder, kind, array, mode)
    before = path.read_bytes()
    index = data.draw(indices(array.shape))
    try:
        shape = array[index].shape
        values = st.one_of(st.integers(-9, 9), hnp.arrays("i2", hnp.broadcastable_shapes(shape, max_dims=len(shape))))
        value = data.draw(values) if 0 not in shape else 1
        array[index] = value
    except (IndexError, ValueError) as error:
        with pytest.raises((IndexError, ValueError)):
            handle[index] = 1 if isinstance(error, IndexError) else value
        handle.close()
        assert path.read_bytes() == before
        return
    handle[index] = value
    same(handle[...], array)
    handle.close()
    if mode == "c":
        assert path.read_bytes() == before
    else:
        same(ndb.load(path, **options), array)
        if not options:
            assert ndb.info(path)["checksum"] == ("present" if kind == "checked" else "none")


@pytest.mark.parametrize("name", ["<f8", ">u2", "<M8[ns]", "S5", ">U3", "bfloat16", "nested", "offsets", "V12"])
def test_items_of_every_class_are_written(tmp_path, name):
    dtype = DTYPES[name]
    old, new = make(dtype, (4, 3)), make(dtype, (4, 3), skip=31)
    path, _, handle = mutable(tmp_path, "checked", old)
    with handle:
        handle[1:3] = new[1:3]
        handle[[0]] = new[[0]]
        handle[3, 2] = new[3, 2]
        if dtype.names:
            handle[dtype.names[0]] = new[dtype.names[0]]
    wanted = old.copy()
    wanted[1:3], wanted[0], wanted[3, 2] = new[1:3], new[0], new[3, 2]
    if dtype.names:
        wanted[dtype.names[0]] = new[dtype.names[0]]
    found = ndb.load(path, require_checksum=True)
    # Where NumPy itself copies field by field, what lies between them stays as it was.
    assert found.dtype == dtype and ndb.diff(found, wanted).identical or found.tobytes() == wanted.tobytes()


def test_large_arrays_go_in_piece_by_piece(tmp_path):
    """Over the size of a piece in each axis, from arrays of other orders and dtypes."""
    shape = (3, 5, 700_001)
    path = tmp_path / "a.npy"
    for order in "CF":
        with ndb.open(path, "w+", dtype="<i2", shape=shape, order=order) as handle:
            values = np.arange(np.prod(shape)).reshape(shape[::-1]).T
            handle[...] = values
            handle[1] = 7
            handle[2, :, ::2] = np.arange(350_001)
        wanted = values.astype("<i2")
        wanted[1] = 7
        wanted[2, :, ::2] = np.arange(350_001)
        found = np.load(path)
        assert found.flags[f"{order}_CONTIGUOUS"] and (found == wanted).all()


@pytest.mark.parametrize("value, error, words", [
    (np.zeros(3), ndb.ArgumentError, r"an array of shape \(3,\) does not go into the shape \(2, 4\)"),
    (np.ma.array([1, 2, 3, 4], mask=[0, 1, 0, 0]), ndb.UnsupportedError, "would lose its mask"),
    ("text", ValueError, "invalid literal"),
])
def test_what_does_not_go_in_is_refused(tmp_path, value, error, words):
    path, _, handle = mutable(tmp_path, "checked", make(np.dtype("<i4"), (5, 4)))
    before = path.read_bytes()
    with handle, pytest.raises(error, match=words):
        handle[:2] = value
    assert path.read_bytes() == before


# Checksums, and lengths.


def test_a_write_opens_the_checksums_and_a_flush_seals_them(tmp_path):
    path, _, handle = mutable(tmp_path, "checked", np.arange(6.0))
    assert (handle.checksum_state, ndb.verify(path).state) == ("present", "verified")
    with pytest.raises(IndexError):
        handle[9] = 1
    handle[2]
    assert (handle.checksum_state, ndb.verify(path).state) == ("present", "verified")
    handle[2] = 7
    assert (handle.checksum_state, ndb.verify(path).state) == ("open", "open")
    handle.flush()
    assert (handle.checksum_state, ndb.verify(handle).state) == ("present", "verified")
    handle[2] = 8
    handle.close()
    assert ndb.load(path, require_checksum=True)[2] == 8
    # One that is dropped leaves them open, and says so.
    handle = ndb.open(path, "r+")
    handle[2] = 9
    del handle
    assert ndb.info(path)["checksum"] == "open" and ndb.load(path)[2] == 9
    assert ndb.checksum(path) and ndb.verify(path).state == "verified"


@pytest.mark.parametrize("kind", ["npy", "checked", "raw"])
def test_lengths_change(tmp_path, kind):
    array = make(np.dtype("<i4"), (5, 3))
    path, options, handle = mutable(tmp_path, kind, array)
    if options:
        options["shape"] = (-1, 3)
    with handle:
        held = handle[...]
        handle.append(array[:2][::-1])
        same(handle[...], np.concatenate([array, array[:2][::-1]]))
        handle.resize(2)
        same(handle[...], array[:2])
        handle[1] = 5
        handle.resize(3)
        wanted = np.concatenate([array[:1], [[5, 5, 5], [0, 0, 0]]]).astype("<i4")
        same(handle[...], wanted)
        for rows, error, words in [
            (array.astype(">i4"), ndb.MismatchError, r"expected <i4\[\?,3\], found >i4\[5,3\]"),
            (array.T, ndb.MismatchError, r"found <i4\[3,5\]"),
            ([1, 2], ndb.ArgumentTypeError, "found list"),
        ]:
            with pytest.raises(error, match=words):
                handle.append(rows)
        with pytest.raises(ndb.ArgumentError, match="an axis cannot have the length -1"):
            handle.resize(-1)
        with pytest.raises(ndb.LimitError):
            handle.resize(1 << 62)
    same(held, array)
    same(ndb.load(path, **options), wanted)


def test_arrays_over_the_old_file_outlive_a_resize(tmp_path):
    """Windows that a handle's methods leave in a traceback stand on memory that stays."""
    path, _, handle = mutable(tmp_path, "npy", np.arange(1 << 18))
    seen = handle._memory.core.view(True)
    handle.append(np.arange(3))
    handle.close()
    assert seen.sum() == np.arange(1 << 18).sum()
    seen[:] = 0


@pytest.mark.parametrize("kind, words", [
    ("frame", "a frame is written once"),
    ("gaps", "rows with gaps belong to other data"),
])
def test_lengths_that_cannot_change_say_why(tmp_path, kind, words):
    _, _, handle = mutable(tmp_path, kind, make(np.dtype("<i4"), (5, 3)))
    with handle, pytest.raises(ndb.ArgumentError, match=words):
        handle.resize(3)


# New files.


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("checksum", [False, True])
def test_new_files(tmp_path, order, checksum):
    path = tmp_path / "new.npy"
    path.write_bytes(b"what was there")
    with ndb.open(path, "w+", dtype=">u2", shape=(3, 4), order=order, checksum=checksum) as handle:
        assert handle.mode == "r+" and (handle[...] == 0).all()
        handle[1] = range(4)
    wanted = np.zeros((3, 4), ">u2", order=order)
    wanted[1] = range(4)
    assert ndb.verify(path).state == ("verified" if checksum else "unchecked")
    if not checksum:
        assert path.read_bytes() == numpy_save(wanted)
    same(np.load(path), wanted)
    with ndb.open(tmp_path / "new.raw", "w", dtype="<f4", shape=5, offset=8, gap=4) as handle:
        handle[:] = range(5)
        same(handle[::2], np.arange(0, 5, 2, dtype="<f4"))
        assert ndb.info(handle)["format"] == "raw" and ndb.verify(handle).state == "unchecked"
    assert (tmp_path / "new.raw").stat().st_size == 8 + 5 * 8


def test_new_files_have_names(tmp_path):
    path = tmp_path / "new.npy"
    with ndb.open(path, "w+", dtype="f4", shape=(2,), checksum=True, name="n", attrs={"a": "ü"}) as handle:
        assert (handle.name, handle.attrs) == ("n", {"a": "ü"})
    with ndb.open(path) as handle:
        assert (handle.name, handle.attrs) == ("n", {"a": "ü"})
