"""Small calls take shortcuts past Python's own ways; what comes of them is the same."""

import copy
import inspect
import itertools
import pickle
import random
import sys
import threading

import numpy as np
import pytest

import ndbytes as ndb
from cases import DTYPES

WAYS = {
    "C": lambda a: a,
    "F": lambda a: np.asfortranarray(a),
    "transposed": lambda a: a.T,
    "strided": lambda a: a[::2, ::-1],
    "column": lambda a: a[:, 1],
    "one item": lambda a: a[1:2, 2:3],
    "0-d": lambda a: a[1:2, 2:3].reshape(()),
    "empty": lambda a: a[:0],
    "broadcast": lambda a: np.broadcast_to(a[:1], a.shape),
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
}


def items(dtype):
    """Six by four items of random bytes."""
    generator = np.random.default_rng(5)
    return np.ndarray((6, 4), dtype, buffer=generator.integers(0, 256, 24 * dtype.itemsize, "u1"))


def raw(array):
    return array.view(f"V{array.dtype.itemsize}").tobytes()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", DTYPES)
def test_small_arrays_become_what_numpy_makes_of_them(name, way):
    array = WAYS[way](items(DTYPES[name]))
    void = array.view(f"V{array.dtype.itemsize}")
    for order in (None, "C", "F", "A", "K"):
        wanted = void.tobytes(order or "C")
        assert ndb.tobytes(array, order) == wanted
        out = bytearray(len(wanted))
        assert ndb.tobytes(array, order, out=out) is out and out == wanted
        assert ndb.tobytes(array.view(type("Sub", (np.ndarray,), {})), order) == wanted


@pytest.mark.parametrize("codec", [None, "none"])
@pytest.mark.parametrize("name", DTYPES)
def test_small_results_are_arrays_of_their_own(name, codec):
    array = items(DTYPES[name])
    if codec is None and name in ("unordered", "overlapping"):
        pytest.raises(ndb.ArgumentError, ndb.dumps, array)
        return
    for made in (array, np.asfortranarray(array)):
        back = ndb.loads(ndb.dumps(made, codec=codec))
        assert back.dtype == array.dtype and back.dtype.fields == array.dtype.fields
        assert back.flags.c_contiguous == made.flags.c_contiguous and back.flags.f_contiguous == made.flags.f_contiguous
        assert back.flags.writeable and back.flags.aligned
        whole = back if back.base is None else back.base  # Where the header has the storage of an extension only.
        assert type(whole) is np.ndarray and whole.flags.owndata
        assert raw(ndb.loads(ndb.dumps(back, codec=codec))) == raw(back)
    view = ndb.loads(ndb.dumps(array, codec=codec), copy=False)
    assert view.dtype == array.dtype and not view.flags.writeable and not view.flags.owndata


def test_a_view_keeps_its_buffer_and_can_write_where_that_can():
    buffer = bytearray(72)
    view = ndb.frombuffer(buffer, "<i4", (2, -1), offset=8, gap=4, order="F")
    assert view.shape == (2, 4) and view.strides == (8, 16)
    view[1, 0] = 7
    assert buffer[16] == 7 and view.flags.writeable
    with pytest.raises(BufferError):
        buffer.append(0)
    del view
    buffer.append(0)
    assert not ndb.frombuffer(bytes(buffer), "u1").flags.writeable


# Pairs that are alike in all but one thing; `isbuiltin` is 1 for some and 0 for others.
ALIKE = [
    *"?bBhHiIlLqQefdgFDG",
    *(">" + code for code in "hilqefdgFD"),
    *("M8", "m8", "M8[s]", "M8[7s]", "m8[s]", ">M8[s]", "S", "S8", "U", "U2", ">U2", "V8"),
    np.dtype("f8", metadata={"unit": "m"}),
    np.dtype([("a", "f8")]),
    np.dtype([(("title", "a"), "f8")]),
    np.dtype([("a", "f8")], metadata={"unit": "m"}),
]


def test_no_dtype_is_taken_for_another():
    dtypes = [np.dtype(given) for given in ALIKE]
    for dtype in random.Random(5).sample(dtypes * 3, 3 * len(dtypes)):
        array = np.ndarray((2, 3), dtype, buffer=bytearray(range(6 * dtype.itemsize)))
        assert ndb.tobytes(array) == raw(array)
        for codec in (None, "none"):
            back = ndb.loads(ndb.dumps(array, codec=codec))
            # NumPy's `==` passes over titles and metadata, which a header has no place for.
            assert back.dtype == dtype and back.dtype.fields == dtype.fields
            assert back.dtype.str == dtype.str
            assert back.dtype is np.dtype(dtype.str) or not np.dtype(dtype.str).isbuiltin


def test_a_dtype_that_is_changed_in_place_is_read_anew():
    text = np.dtype("S10")
    first = np.zeros(3, text)
    assert len(ndb.tobytes(first)) == 30 and ndb.loads(ndb.dumps(first)).dtype == "S10"
    text.__setstate__((3, "|", None, None, None, 5, 1, 0))
    second = np.zeros(3, text)
    assert second.nbytes == 15 and len(ndb.tobytes(second)) == 15
    assert ndb.loads(ndb.dumps(second)).dtype == "S5"
    fields = np.dtype([("a", "i4"), ("b", "f4")])
    array = np.zeros(2, fields)
    assert ndb.loads(ndb.dumps(array)).dtype.names == ("a", "b")
    fields.names = ("b", "a")
    assert ndb.loads(ndb.dumps(array)).dtype.names == ("b", "a")


def test_what_has_no_bytes_is_refused_at_any_size():
    masked = np.ma.masked_array([1.0, 2.0], [True, False])
    for given in (np.array([None]), np.array(1, object), masked, np.zeros(2, "i4,O")):
        for call in (ndb.tobytes, ndb.dumps, lambda a: ndb.loads(ndb.dumps(np.zeros(2)), out=a)):
            with pytest.raises(ndb.UnsupportedError):
                call(given)
    for given in ([1, 2], 1, "text"):
        with pytest.raises(ndb.ArgumentTypeError):
            ndb.tobytes(given)


PLACES = {
    "every other": lambda: np.full((2 * 300, 200), 7, "u1").view("u1")[::2],
    "a column": lambda: np.full((300, 200, 3), 7, "u1")[..., 1],
    "reversed": lambda: np.full((300, 200), 7, "u1")[::-1, ::-1],
    "transposed": lambda: np.full((200, 300), 7, "u1").T,
    "a window": lambda: np.full((400, 300), 7, "u1")[50:350, 50:250],
}


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("dtype", ["u1", "<u2", ">f4", "c8", "c16", "S3", "V7"])
def test_out_at_any_strides_takes_the_items_and_nothing_beside_them(dtype, place, order):
    size = np.dtype(dtype).itemsize
    whole = PLACES[place]()
    base = whole if whole.base is None else whole.base
    # The same places in items of this size.
    wide = np.full(base.size * size, 7, "u1").view(dtype).reshape(base.shape)
    start = whole.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    strides = tuple(step * size for step in whole.strides)
    out = np.ndarray(whole.shape, dtype, buffer=wide.data if size == 1 else wide.view("u1").data, offset=start * size, strides=strides)
    array = np.ndarray(whole.shape, dtype, buffer=np.random.default_rng(5).integers(0, 256, out.size * size, "u1"))
    array = np.asarray(array, order=order)
    expected = wide.view("u1").copy()
    np.ndarray(out.shape, f"V{size}", buffer=expected.data, offset=start * size, strides=strides)[...] = array.view(f"V{size}")
    assert ndb.loads(ndb.dumps(array, codec="none"), out=out) is out
    assert np.array_equal(wide.view("u1"), expected)


def test_threads_may_fill_the_columns_of_one_array():
    whole = np.zeros((1 << 17, 4), "<u4")
    columns = [np.arange(len(whole), dtype="<u4") * (n + 1) for n in range(4)]
    packed = [ndb.dumps(column) for column in columns]
    threads = [
        threading.Thread(target=lambda n=n: [ndb.loads(packed[n], out=whole[:, n]) for _ in range(5)]) for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, column in enumerate(columns):
        assert np.array_equal(whole[:, n], column)


def test_calls_leave_no_references():
    array, packed = np.arange(128.0), ndb.dumps(np.arange(128.0))
    big, records = np.arange(16, dtype=">i2"), np.zeros(3, "i4,f4")
    out, dtypes = np.zeros((128, 2))[:, 0], (np.dtype("f8"), np.dtype("u1"), big.dtype, records.dtype)
    things = (array, packed, big, records, out, *dtypes)
    calls = (
        lambda: ndb.tobytes(array),
        lambda: ndb.tobytes(array[::2]),
        lambda: ndb.loads(packed),
        lambda: ndb.loads(packed, copy=False),
        lambda: ndb.loads(packed, out=out),
        lambda: ndb.loads(ndb.dumps(big)),
        lambda: ndb.loads(ndb.dumps(records)),
        lambda: ndb.frombuffer(packed, "u1"),
        lambda: pytest.raises(ndb.ArgumentError, ndb.loads, packed, out=np.broadcast_to(array, (2, 128))),
        lambda: pytest.raises(ndb.UnsupportedError, ndb.tobytes, np.array([None])),
    )
    for call in calls:
        call()
    before = [sys.getrefcount(thing) for thing in things]
    for call in itertools.islice(itertools.cycle(calls), 2_000):
        call()
    found = [sys.getrefcount(thing) for thing in things]
    # Others hold NumPy's own dtypes too, and let go of them when they like; a leak would be of hundreds.
    assert all(abs(now - then) < 50 for now, then in zip(found, before, strict=True)), (before, found)


@pytest.mark.unpickles
def test_the_short_way_is_the_function_that_its_text_tells_of():
    function = ndb.tobytes
    parameters = inspect.signature(function).parameters
    assert list(parameters)[:2] == ["a", "order"] and "threads" in parameters and "byteorder" in parameters
    assert function.__name__ == "tobytes" and function.__module__ == "ndbytes._core"
    assert pickle.loads(pickle.dumps(function)) is function and copy.copy(function) is function
    array = np.arange(6.0)
    wrong = [
        (lambda: function(), "missing 1 required positional argument"),
        (lambda: function(array, "C", "C"), "positional arguments"),
        (lambda: function(array, wrong=1), "unexpected keyword argument"),
        (lambda: function(array, a=array), "multiple values|got some positional-only|unexpected keyword"),
    ]
    for call, words in wrong:
        with pytest.raises(TypeError, match=words):
            call()
    assert function(a=array) == function(array, None) == function(array, order="C") == array.tobytes()


@pytest.mark.parametrize("edge", [1 << 20, 4 << 20, 8 << 20])
def test_sizes_around_those_where_the_way_changes(edge):
    memory = np.random.default_rng(edge).integers(0, 256, 2 * edge + 64, "u1")
    for nbytes in (edge - 8, edge, edge + 8):
        for array in (memory[:nbytes], memory[1 : nbytes + 1].view("<f8"), memory[: 2 * nbytes : 2], memory[nbytes - 1 :: -1][:nbytes]):
            assert ndb.tobytes(array) == array.tobytes()
            back = ndb.loads(ndb.dumps(array))
            assert np.array_equal(back.view("u1"), np.ascontiguousarray(array).view("u1"))
