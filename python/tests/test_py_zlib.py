"""ndb.zlib and ndb.gzip: Python's own modules are the oracle both ways."""

import gzip
import zlib

import numpy as np
import pytest

import ndbytes as ndb
from cases import DTYPES, LAYOUTS, array, make
from npyfiles import numpy_save
from once import MIB

OURS = {"zlib": ndb.zlib, "gzip": ndb.gzip}
THEIRS = {"zlib": zlib, "gzip": gzip}
BOTH = pytest.mark.parametrize("container", OURS)


@BOTH
@pytest.mark.parametrize("name", DTYPES)
def test_arrays_of_every_class_go_both_ways(container, name):
    ours, theirs = OURS[container], THEIRS[container]
    dtype = DTYPES[name]
    source = make(dtype, (13, 11))
    for level in range(-1, 10):
        assert theirs.decompress(ours.compress(source, level)) == source.tobytes()
    stream = theirs.compress(source.tobytes())
    assert ours.decompress(stream) == source.tobytes()
    for shape in [(13, 11), (13, -1), -1, 143, [11, 13]]:
        found = ours.decompress(stream, dtype=dtype, shape=shape)
        assert found.dtype == dtype and found.flags.writeable and found.tobytes() == source.tobytes()
        assert found.shape == source.reshape(shape).shape
    out = np.zeros((11, 13), dtype).T
    assert ours.decompress(stream, out=out) is out and ndb.tobytes(out) == source.tobytes()


@BOTH
@pytest.mark.parametrize("layout", LAYOUTS)
def test_arrays_at_any_strides(container, layout):
    source = array("<f4", layout)
    assert THEIRS[container].decompress(OURS[container].compress(source, 1)) == source.tobytes()


@BOTH
def test_what_has_a_buffer_goes_in(container):
    ours, theirs = OURS[container], THEIRS[container]
    for data in [b"abc", bytearray(b"abc"), memoryview(b"abc"), np.bytes_(b"abc"), b""]:
        assert theirs.decompress(ours.compress(data)) == bytes(data)
    stream = theirs.compress(b"abc" * 1000)
    for given in [stream, bytearray(stream), memoryview(stream), np.frombuffer(stream, "u1")]:
        assert ours.decompress(given) == b"abc" * 1000
        out = bytearray(3000)
        assert ours.decompress(given, out=out) is out and out == b"abc" * 1000


@BOTH
def test_levels_and_threads(container):
    ours = OURS[container]
    data = numpy_save(np.arange(100_000))
    sizes = [len(ours.compress(data, level)) for level in [0, 1, 9]]
    assert sizes[0] > len(data) and sizes == sorted(sizes, reverse=True)
    assert ours.compress(data) == ours.compress(data, 6) == ours.compress(data, -1)
    for threads in [None, 1, 2, 64, 1 << 70]:
        assert ours.compress(data, threads=threads) == ours.compress(data)


def blocks(n):
    """Bytes of which some shrink much, some little, and some not at all."""
    rng = np.random.default_rng(7)
    parts = [np.arange(n // 3) // 9 % 251, rng.integers(0, 9, n // 3), rng.integers(0, 256, n - n // 3 * 2)]
    return np.concatenate(parts).astype("u1").tobytes()


@BOTH
@pytest.mark.parametrize("level", range(10))
def test_small_sizes_and_edges_of_blocks(container, level):
    ours, theirs = OURS[container], THEIRS[container]
    for n in [*range(70), (1 << 20) - 1, 1 << 20, (1 << 20) + 1]:
        data = blocks(n)
        stream = ours.compress(data, level)
        assert theirs.decompress(stream) == data
        assert ours.decompress(stream, dtype="u1", shape=n).tobytes() == data


@BOTH
def test_one_stream_whatever_the_threads(container):
    ours, theirs = OURS[container], THEIRS[container]
    for n in [(2 << 20) - 1, 2 << 20, (17 << 20) + 5]:
        data = blocks(n)
        stream = ours.compress(data, 6, threads=1)
        assert all(ours.compress(data, 6, threads=threads) == stream for threads in [2, 3, 4])
        assert theirs.decompress(stream) == data
        assert ours.decompress(stream, dtype="u1", shape=n).tobytes() == data
        theirs_6 = zlib.compress(data, 6)
        assert len(stream) <= 1.02 * len(theirs_6)


@BOTH
@pytest.mark.parametrize("call, error, words", [
    (lambda m: m.compress(b"", 10), ndb.ArgumentError, "the compression level is .*; 0 to 9 are allowed"),
    (lambda m: m.compress(b"", -2), ndb.ArgumentError, "0 to 9 are allowed"),
    (lambda m: m.compress(b"", threads=0), ndb.ArgumentError, "threads=0; at least 1"),
    (lambda m: m.compress(b"", threads=1.5), ndb.ArgumentTypeError, "threads must be an int or None, found float"),
    (lambda m: m.compress([1, 2]), ndb.ArgumentTypeError, "found list; np.asarray"),
    (lambda m: m.compress(np.array([None])), ndb.UnsupportedError, "holds Python objects"),
    (lambda m: m.decompress("text"), TypeError, "bytes-like"),
    (lambda m: m.decompress(m.compress(b""), shape=3), ndb.ArgumentError, "shape is for dtype"),
    (lambda m: m.decompress(m.compress(b""), dtype="O"), ndb.UnsupportedError, "holds Python objects"),
    (lambda m: m.decompress(m.compress(b""), dtype="u1", shape=(-1, -1)), ndb.ArgumentError, "only one axis"),
    (lambda m: m.decompress(m.compress(b""), dtype="u1", shape=-2), ndb.ArgumentError, "cannot have the length -2"),
    (lambda m: m.decompress(m.compress(b""), dtype="u1", out=bytearray()), ndb.ArgumentTypeError, "must be a NumPy array"),
    (lambda m: m.decompress(m.compress(b""), out=b""), BufferError, "not writable|read-only"),
    (lambda m: m.decompress(m.compress(bytes(3)), dtype="<u2"), ndb.FormatError, r"<u2\[\?\] needs a multiple of 2 bytes, found 3"),
    (lambda m: m.decompress(m.compress(bytes(3)), dtype="<u2", shape=2), ndb.FormatError, r"<u2\[2\] needs 4 bytes, found 3"),
    (lambda m: m.decompress(m.compress(bytes(5)), dtype="<u2", shape=2), ndb.LimitError, "stream holds more than the 4 bytes allowed"),
    (lambda m: m.decompress(m.compress(bytes(3)), out=bytearray(4)), ndb.FormatError, "out has 4 bytes, the stream 3"),
    (lambda m: m.decompress(m.compress(bytes(5)), out=bytearray(4)), ndb.LimitError, "more than the 4 bytes allowed"),
    (lambda m: m.decompress(m.compress(bytes(5)), max_bytes=4), ndb.LimitError, "more than the 4 bytes allowed"),
    (lambda m: m.decompress(m.compress(bytes(4)), dtype="<u2", shape=2, max_bytes=3), ndb.LimitError, "max_bytes is 4, at most 3"),
    (lambda m: m.decompress(m.compress(bytes(4)), out=bytearray(4), max_bytes=3), ndb.LimitError, "max_bytes is 4, at most 3"),
    (lambda m: m.decompress(m.compress(bytes(4)), dtype="<u2", out=np.zeros(2, ">u2")), ndb.MismatchError, r"out is >u2\[2\], <u2\[\?\] is wanted"),
    (lambda m: m.decompress(m.compress(bytes(4)), dtype="<u2", shape=3, out=np.zeros(2, "<u2")), ndb.MismatchError, r"<u2\[3\] is wanted"),
    (lambda m: m.decompress(m.compress(bytes(4)) + b"x", max_bytes=4), ndb.FormatError, "bytes behind the end"),
    (lambda m: m.decompress(b"nothing of the kind"), ndb.FormatError, "stream"),
])
def test_mistakes(container, call, error, words):
    with pytest.raises(error, match=words):
        call(OURS[container])


@BOTH
def test_every_cut_and_flip_is_an_error(container):
    ours, theirs = OURS[container], THEIRS[container]
    data = np.arange(300, dtype="<u2")
    stream = ours.compress(data)
    for way in [{}, {"dtype": "<u2", "shape": 300}, {"dtype": "<u2"}, {"out": np.zeros(300, "<u2")}]:
        for n in range(len(stream)):
            with pytest.raises(ndb.TruncatedError):
                ours.decompress(stream[:n], **way)
        for at in range(len(stream)):
            damaged = bytearray(stream)
            damaged[at] ^= 1 << at % 8
            try:
                found = ours.decompress(damaged, **way)
            except ndb.Error:
                continue
            # Bits that mean nothing, as the operating system in a gzip header: Python reads the same.
            assert np.asarray(found).tobytes() == theirs.decompress(damaged) == data.tobytes()
    with pytest.raises(ndb.ChecksumError) as raised:
        ours.decompress(stream[:-4] + bytes(4) if container == "zlib" else stream[:-8] + bytes(4) + stream[-4:])
    assert raised.value.start == 0 and raised.value.stop in (len(stream), len(stream) - 4)


@BOTH
def test_bombs_stop_at_the_bound(container):
    """More than a gibibyte of zeros in a mebibyte: who declares no size gets an error there."""
    theirs = zlib.compressobj(9, wbits=15 + 16 * (container == "gzip"))
    # What follows a full flush looks back at nothing, so that it can be repeated.
    first, block = (theirs.compress(bytes(64 * MIB)) + theirs.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    stream = first + 16 * block + theirs.flush()
    ours = OURS[container]
    for way, words in [
        ({"max_bytes": 1000}, "more than the 1000 bytes"),
        ({"dtype": "<f8", "shape": 16}, "more than the 128 bytes"),
        ({"dtype": "<f8", "max_bytes": 1000}, "more than the 1000 bytes"),
        ({"out": np.zeros(5)}, "more than the 40 bytes"),
        ({}, f"more than the {1 << 30} bytes"),
    ]:
        with pytest.raises(ndb.LimitError, match=words):
            ours.decompress(stream, **way)


def test_zlib_streams_that_need_a_dictionary():
    theirs = zlib.compressobj(zdict=b"abcdef")
    with pytest.raises(ndb.UnsupportedError, match="dictionary"):
        ndb.zlib.decompress(theirs.compress(b"abcdef" * 10) + theirs.flush())


def test_members_of_gzip_are_one():
    stream = gzip.compress(b"one") + bytes(3) + gzip.compress(b"two")
    assert ndb.gzip.decompress(stream) == gzip.decompress(stream) == b"onetwo"
    assert ndb.gzip.compress(b"x") == ndb.gzip.compress(b"x")  # No clock in it.


@pytest.mark.parametrize("kind", [lambda memory: memory, lambda memory: np.frombuffer(memory, "u1")])
def test_out_in_the_memory_of_the_stream_is_refused(kind):
    memory = bytearray(ndb.zlib.compress(np.arange(1000, dtype="u2"), 0) + bytes(2000))
    size = len(memory) - 2000
    before = bytes(memory)
    for start in (0, 1, size - 1):
        with pytest.raises(ndb.ArgumentError, match="memory of the stream itself"):
            ndb.zlib.decompress(memoryview(memory)[:size], out=kind(memoryview(memory)[start : start + 2000]))
        assert memory == before
    ndb.zlib.decompress(memoryview(memory)[:size], out=kind(memoryview(memory)[size:]))
    assert memory[size:] == np.arange(1000, dtype="u2").tobytes()
