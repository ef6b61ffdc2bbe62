"""Large arrays in one go: any layout, byte order and number of threads, into fresh memory and a caller's."""

import ndbytes as ndb
import numpy as np
import pytest

RNG = np.random.default_rng(5)
NOISE = RNG.integers(0, 256, 40 << 20, np.uint8)
THREADS = [None, 1, 3]


def items(dtype, *shape):
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return NOISE[:size].view(dtype).reshape(shape)


LAYOUTS = {
    "contiguous": items("<u4", 5_000_001),
    "f order": items("<u2", 3000, 3500).T,
    "bytes f order": items("u1", 4096, 4096).T,
    "channels first": items("u1", 2300, 2500, 3).transpose(2, 0, 1),
    "channels last": items("u1", 3, 2300, 2500).transpose(1, 2, 0),
    "three axes": items("<u4", 160, 170, 180).transpose(2, 0, 1),
    "every other": items("<u8", 2000, 2400)[:, ::2],
    "backwards": items("<u4", 2000, 2400)[::-1, ::-1],
    "broadcast": np.broadcast_to(items("<u2", 3000, 1), (3000, 3000)),
    "narrow": items("<u4", 4_300_000, 1).T,
    "columns": items("<u4", 900_000, 5).T,
    "records": items([("a", "<u2"), ("b", ">u4"), ("c", "u1", (3,))], 2_000_000)[::-1],
}


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout_by_any_number_of_threads(layout, threads):
    a = LAYOUTS[layout]
    wanted = a.tobytes()
    assert ndb.tobytes(a, threads=threads) == wanted
    out = bytearray(b"x" * len(wanted))
    assert ndb.tobytes(a, threads=threads, out=out) is out
    assert out == wanted
    data = ndb.dumps(a, threads=threads)
    assert data == ndb.dumps(a, threads=1)
    for copy in True, False:
        back = ndb.loads(data, threads=threads, copy=copy)
        assert back.dtype == a.dtype and back.shape == a.shape and back.tobytes() == wanted
    into = np.empty_like(a, order="C")
    ndb.loads(data, threads=threads, out=into)
    assert into.tobytes() == wanted


@pytest.mark.parametrize("threads", THREADS)
def test_damage_is_found_by_any_number_of_threads(threads):
    data = bytearray(ndb.dumps(LAYOUTS["contiguous"]))
    for at in 200, 9 << 20, len(data) - 300:
        data[at] ^= 16
        for copy in True, False:
            with pytest.raises(ndb.ChecksumError) as caught:
                ndb.loads(bytes(data), threads=threads, copy=copy)
            assert f"block {(at - 128) >> 20} of 0 to 19" in str(caught.value)
        data[at] ^= 16
    ndb.loads(bytes(data), threads=threads)


DTYPES = ["<u2", ">u2", "<f4", ">f8", "<c8", ">c16", "<M8[s]", ">m8[7D]", "<U3", ">U2", "S5", "u1", "?", "V6"]


@pytest.mark.parametrize("dtype", [*DTYPES, np.longdouble, [("a", "<u2"), ("b", ">f8"), ("c", "<i4", (3,)), ("d", "S3")]])
@pytest.mark.parametrize("to", "<>=")
def test_a_byte_order_is_what_astype_gives(dtype, to):
    dtype = np.dtype(dtype)
    flat = NOISE[: 24 * dtype.itemsize].copy()
    if dtype.kind == "?":
        flat &= 1
    if dtype == np.longdouble:
        flat.reshape(-1, dtype.itemsize)[:, 10:] = 0  # What pads it is no part of the value.
    if dtype.kind == "U":
        flat = np.array(["a\u20ac", "x", ""] * 8, dtype).view("u1")
    a = flat.view(dtype).reshape(2, 3, 4)
    for view in a, a.T, a[:, ::-1, ::2], a[0, 0, 0, ...], a[:0]:
        wanted = view.astype(dtype.newbyteorder(to))
        for order in "CFA":
            assert ndb.tobytes(view, order, byteorder=to) == wanted.tobytes(order)
        out = bytearray(view.nbytes)
        assert ndb.tobytes(view, byteorder=to, out=out) == wanted.tobytes()



@pytest.mark.parametrize("threads", [0, -3])
def test_threads_are_at_least_one(threads):
    for call in (lambda: ndb.tobytes(b"ab", threads=threads), lambda: ndb.dumps(NOISE[:3], threads=threads)):
        with pytest.raises(ndb.ArgumentError, match=f"threads must be at least 1, found {threads}"):
            call()
    with pytest.raises(ndb.ArgumentError, match="at least 1"):
        ndb.loads(ndb.dumps(NOISE[:3]), threads=threads)


def test_what_no_byte_order_is_right_for_is_refused():
    with pytest.raises(ndb.ArgumentError, match="byteorder must be '<', '>' or '=', found '|'"):
        ndb.tobytes(NOISE[:4], byteorder="|")
    union = np.dtype({"names": ["a", "b"], "formats": ["<u4", "<u2"], "offsets": [0, 2]})
    with pytest.raises(ndb.UnsupportedError, match="overlap"):
        ndb.tobytes(np.zeros(3, union), byteorder=">")
    assert ndb.tobytes(np.zeros(3, union), byteorder="<") == bytes(12)


@pytest.mark.parametrize("codec", [None, "none"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_out_takes_what_would_be_returned(layout, codec, tmp_path):
    a = LAYOUTS[layout]
    data = ndb.dumps(a, codec=codec)
    for spare in 0, 77:
        out = np.full(len(data) + spare, 9, np.uint8)
        front = ndb.dumps(a, codec=codec, out=out)
        assert isinstance(front, memoryview) and front.obj is out and front == data
        assert (out[len(data) :] == 9).all()
    ndb.save(tmp_path / "a.npy", a, checksum=codec is not None)
    for into in np.empty_like(a, order="C"), np.zeros((*a.shape[:-1], 2 * a.shape[-1]), a.dtype)[..., ::2]:
        for threads in None, 1:
            into[...] = np.zeros((), a.dtype)
            assert ndb.load(tmp_path / "a.npy", out=into, threads=threads) is into
            assert into.tobytes() == a.tobytes()


def test_out_that_cannot_be_is_refused_and_left(tmp_path):
    a = np.arange(100)
    size = len(ndb.dumps(a))
    short = bytearray(size - 1)
    with pytest.raises(ndb.ArgumentError, match=f"out has {size - 1} bytes, {size} are needed"):
        ndb.dumps(a, out=short)
    assert short == bytes(size - 1)
    both = np.zeros(400, np.uint8)
    with pytest.raises(ndb.ArgumentError, match="out is memory of the array itself"):
        ndb.dumps(both[300:], out=both)
    with pytest.raises(BufferError):
        ndb.dumps(a, out=bytes(size))
    with pytest.raises(ndb.ArgumentError, match="dict becomes an .npz"):
        ndb.dumps({"a": a}, out=bytearray(10_000))
    path = tmp_path / "a.npy"
    ndb.save(path, a)
    ndb.save(tmp_path / "a.npz", {"a": a})
    for options in {"mmap": "r"}, {"dtype": "i8"}, {"recover": True}:
        with pytest.raises(ndb.ArgumentError, match="out takes what a file with a header holds"):
            ndb.load(path, out=a, **options)
    with pytest.raises(ndb.ArgumentError, match="expect and out are for one"):
        ndb.load(tmp_path / "a.npz", out=a)
    for wrong in np.zeros(100, ">i8"), np.zeros(99, "i8"), np.zeros((10, 10), "i8"):
        kept = wrong.copy()
        with pytest.raises(ndb.MismatchError):
            ndb.load(path, out=wrong)
        assert (wrong == kept).all()
    with pytest.raises(ndb.ArgumentError, match="threads must be at least 1"):
        ndb.load(path, threads=0)


@pytest.mark.parametrize("order", "CF")
def test_of_items_that_share_bytes_the_last_in_c_order_remains(order):
    a = np.asarray(np.arange(12, dtype="u1").reshape(3, 4), order=order)
    memory, expected = np.zeros(8, "u1"), np.zeros(8, "u1")
    out, wanted = (np.lib.stride_tricks.as_strided(m, (3, 4), (1, 1)) for m in (memory, expected))
    for index in np.ndindex(3, 4):
        wanted[index] = a[index]
    ndb.loads(ndb.dumps(a), out=out)
    assert memory.tolist() == expected.tolist()


@pytest.mark.parametrize("stride", [-(2**62), 2**62])
def test_strides_beyond_all_memory_are_refused(stride):
    a = np.lib.stride_tricks.as_strided(np.arange(12, dtype="<i4"), (3,), (stride,))
    with pytest.raises(ndb.LimitError):
        ndb.tobytes(a)
