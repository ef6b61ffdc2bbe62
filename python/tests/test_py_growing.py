"""Handles of files to which rows are appended: NumPy's concatenate is the oracle, and the files are read by every reader."""

import gzip
import pickle
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ndbytes as ndb
from cases import DTYPES, make
from handles import indices, reads_alike, same
from test_reader import READER

CODECS = ["none", "auto", "fast", "small", "lz4", "zstd", "deflate", "pco"]


def rows_of(dtype, shape, at=0):
    """Rows that differ, of any dtype."""
    return np.roll(make(np.dtype(dtype), shape), at)


def begun(path, dtype, row, **options):
    return ndb.open(path, "w", dtype=dtype, shape=(None, *row), **options)


@settings(max_examples=settings().max_examples * 2)
@given(
    dtype=st.sampled_from(["<f4", ">f8", "|u1", "<i2", "<c8", "|S3", "<M8[s]", "<U2", "|b1", "<f2"]),
    row=st.sampled_from([(), (1,), (3,), (2, 3), (4, 1, 2)]),
    codec=st.sampled_from(CODECS),
    block=st.booleans(),
    steps=st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["", "flush", "reopen", "read"])), max_size=8),
    layout=st.sampled_from(["C", "F", "reversed", "every other"]),
)
def test_what_is_appended_in_any_steps_is_read_by_anybody(tmp_path_factory, dtype, row, codec, block, steps, layout):
    path = tmp_path_factory.mktemp("steps") / "a.ndb"
    lengths = (3, *(min(2, length) for length in row)) if block else None
    handle, whole = begun(path, dtype, row, codec=codec, block=lengths), [np.zeros((0, *row), dtype)]
    for at, (count, then) in enumerate(steps):
        rows = rows_of(dtype, (count, *row), at)
        whole.append(rows)
        if layout == "F":
            rows = np.asfortranarray(rows)
        elif layout == "reversed":
            rows = rows[::-1].copy()[::-1]
        elif layout == "every other":
            rows = np.repeat(rows, 2, axis=0)[::2]
        handle.append(rows)
        wanted = np.concatenate(whole).astype(dtype, copy=False)
        assert (handle.shape, len(handle)) == (wanted.shape, len(wanted))
        if then == "flush":
            handle.flush()
            same(ndb.load(path), wanted)
        elif then == "reopen":
            handle.close()
            handle = ndb.open(path, "r+", codec=codec)
        elif then == "read":
            same(handle[...], wanted)
            same(handle[-1:], wanted[-1:])
    handle.close()
    wanted = np.concatenate(whole).astype(dtype, copy=False)
    data = path.read_bytes()
    same(ndb.load(path, require_checksum=True), wanted)
    same(ndb.loads(data), wanted)
    same(READER.read(path)[0], wanted)
    with ndb.open(path) as opened, ndb.open(data) as buffer:
        same(opened[...], wanted)
        same(buffer[::2], wanted[::2])
        assert ndb.digest(opened) == ndb.digest(path) == ndb.digest(wanted)
    assert ndb.verify(path).state == "verified"
    found = ndb.info(path)
    assert (found["grows"], found["shape"], found["format"], found["checksum"]) == (True, wanted.shape, "ndb", "present")


@settings(max_examples=settings().max_examples * 2)
@given(st.data())
def test_every_index_reads_what_numpys_does(grown, data):
    array, handles = grown
    handle = data.draw(st.sampled_from(handles))
    reads_alike(handle, array, data.draw(indices(array.shape)))


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """An array, and handles of files that have grown to it in several ways: for reading, for appending, of a buffer."""
    array = make(np.dtype("<i4"), (23, 4, 3))
    path = tmp_path_factory.mktemp("grown") / "a.ndb"
    with begun(path, "<i4", (4, 3), codec="fast", block=(4, 2, 3)) as handle:
        for start, stop in [(0, 1), (1, 7), (7, 9), (9, 22)]:
            handle.append(array[start:stop])
            handle.flush()
    appending = ndb.open(path, "r+")
    appending.append(array[22:])
    appending.flush()
    handles = [appending, ndb.open(path), ndb.open(path.read_bytes())]
    yield array, handles
    for handle in handles:
        handle.close()


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_every_dtype_grows(tmp_path, dtype):
    if dtype.itemsize == 0:
        with pytest.raises(ndb.ArgumentError, match="items at least one byte"):
            begun(tmp_path / "a.ndb", dtype, (2,))
        return
    array = make(dtype, (9, 2))
    with begun(tmp_path / "a.ndb", dtype, (2,), block=(2, 2)) as handle:
        assert handle.dtype == dtype
        handle.append(array[:4])
        handle.append(array[4:])
    # Of a long double bytes that hold no value are zeroed, as by dumps.
    same(ndb.load(tmp_path / "a.ndb"), ndb.loads(ndb.dumps(array, codec="fast")))


def test_readers_see_what_was_there_when_they_opened_it(tmp_path):
    path, rows = tmp_path / "a.ndb", rows_of("<f4", (10, 3))
    with begun(path, "<f4", (3,)) as handle:
        handle.append(rows)
        with ndb.open(path) as before:
            assert before.shape == (0, 3)
            handle.flush()
            handle.append(rows)
            with ndb.open(path) as after:
                assert (before.shape, after.shape, handle.shape) == ((0, 3), (10, 3), (20, 3))
                handle.flush()
                same(after[...], rows)
    # A handle that is dropped leaves what was flushed.
    dropped = ndb.open(path, "r+")
    dropped.append(rows)
    del dropped
    assert ndb.load(path).shape == (20, 3)


def test_rows_by_signals_and_threads(tmp_path):
    """Appends from several threads: each whole, in some order; and one handle at a time."""
    path = tmp_path / "a.ndb"
    with begun(path, "<i8", (2,), codec="fast") as handle:

        def append(name):
            for at in range(40):
                handle.append(np.full((5, 2), 1000 * name + at))
                if at % 10 == name:
                    handle.flush()
                assert len(handle[...]) % 5 == 0

        threads = [threading.Thread(target=append, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with pytest.raises(OSError, match="another appends to it") as raised:
            ndb.open(path, "r+")
        assert (raised.value.errno, raised.value.filename) == (16, str(path))
    found = ndb.load(path).reshape(160, 10)
    assert (found == found[:, :1]).all()
    for name in range(4):
        mine = found[found[:, 0] // 1000 == name][:, 0] - 1000 * name
        np.testing.assert_array_equal(mine, np.arange(40))


APPENDS = """
import sys, numpy as np, ndbytes as ndb
handle = ndb.open(sys.argv[1], "r+")
print("ready", flush=True)
for at in range(100_000):
    handle.append(np.full((1000, 20), at, "<u4"))
    if at % 7 == 0:
        handle.flush()
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_process_that_is_killed_leaves_whole_steps(tmp_path, how):
    path = tmp_path / "a.ndb"
    begun(path, "<u4", (20,)).close()
    for wait in [0.02, 0.1, 0.3]:
        before = len(ndb.load(path))
        process = subprocess.Popen(
            [sys.executable, "-c", APPENDS, path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert process.stdout.readline() == "ready\n"
        threading.Event().wait(wait)
        process.send_signal(how)
        process.wait(60)
        process.stdout.close()
        found = ndb.load(path)
        assert ndb.verify(path) and len(found) % 1000 == 0 and len(found) >= before
        steps = found[before:, 0].reshape(-1, 1000)
        np.testing.assert_array_equal(steps, np.broadcast_to(np.arange(len(steps))[:, None], steps.shape))
        assert len(steps) % 7 in (0, 1)


def test_other_readers_and_containers(tmp_path):
    path, rows = tmp_path / "a.ndb", rows_of("<i4", (100, 5))
    with begun(path, "<i4", (5,), name="log", attrs={"unit": "m"}, block=(7, 5)) as handle:
        assert (handle.name, handle.attrs, handle.block, handle.mode) == ("log", {"unit": "m"}, (7, 5), "r+")
        handle.append(rows)
        handle.flush()
        handle.append(rows)
    whole = np.concatenate([rows, rows])
    data = path.read_bytes()
    for junk in [b"", b"junk", data, bytes(1000)]:
        path.write_bytes(data + junk)
        same(ndb.load(path), whole)
        same(READER.read(path)[0], whole)
        assert ndb.verify(path) and ndb.info(path)["name"] == "log"
    out = np.zeros_like(whole)
    assert ndb.load(path, out=out) is out
    same(out, whole)
    decoder = ndb.Decoder()
    decoder.feed(data + data)
    for array in decoder:
        same(array, whole)
    packed = tmp_path / "a.ndb.gz"
    packed.write_bytes(gzip.compress(data))
    same(ndb.load(packed), whole)
    same(ndb.load(path, recover=True)[0], whole)
    for bit in range(0, 8 * len(data), 101):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ndb.Error):
            ndb.loads(damaged)
        report = None if bit < 128 else ndb.verify(damaged)
        assert not report


def test_what_is_intact_is_recovered(tmp_path):
    path, rows = tmp_path / "a.ndb", rows_of("<i4", (30, 5))
    with begun(path, "<i4", (5,), codec="lz4", block=(4, 5)) as handle:
        for start in range(0, 30, 10):
            handle.append(rows[start : start + 10])
            handle.flush()
    data, seen = path.read_bytes(), 0
    for byte in range(192, len(data)):
        damaged = bytearray(data)
        damaged[byte] ^= 16
        path.write_bytes(damaged)
        array, mask = ndb.load(path, recover=True)
        assert array.shape == rows.shape and (array[~mask] == rows[~mask]).all()
        seen += 0 < mask.sum() <= 4 * 5
    # Where a block is damaged, what is behind it is found by the indexes: at most one band is lost.
    assert seen > 0


@pytest.mark.parametrize(
    "options, error, words",
    [
        ({"shape": (3,)}, ndb.ArgumentError, r"a .ndb is not written in place: save\(\) an array, or open it with shape=\(None,\)"),
        ({"shape": (-1, 3)}, ndb.ArgumentError, r"open it with shape=\(None, 3\) and append rows"),
        ({"shape": None}, ndb.ArgumentError, "a new file needs dtype and shape"),
        ({"dtype": None}, ndb.ArgumentError, "a new file needs dtype and shape"),
        ({"shape": (None, 0)}, ndb.ArgumentError, "rows that are appended have at least one item"),
        ({"shape": (None, None)}, ndb.ArgumentTypeError, r"shape must be None and ints, found \(None, None\)"),
        ({"shape": (None, -1)}, ndb.ArgumentError, "an axis behind the first has a length from 0"),
        ({"shape": (None, 2**64)}, ndb.ArgumentError, "an axis behind the first has a length from 0"),
        ({"order": "F"}, ndb.ArgumentError, "rows are appended in C order"),
        ({"offset": 3}, ndb.ArgumentError, "offset and gap are for files without a header"),
        ({"checksum": False}, ndb.ArgumentError, "a .ndb always has checksums"),
        ({"codec": "zip"}, ndb.ArgumentError, 'there is no codec "zip"'),
        ({"level": 3}, ndb.ArgumentError, "codec auto has no levels"),
        ({"codec": "zstd", "level": 99}, ndb.ArgumentError, "level"),
        ({"block": (0, 2)}, ndb.ArgumentError, "a length of 0"),
        ({"block": (3,)}, ndb.ArgumentError, "1 lengths for 2 axes"),
        ({"block": (1, 3)}, ndb.ArgumentError, "a length of 3 along an axis of 2"),
        ({"block": "x"}, ndb.ArgumentTypeError, "block must be a tuple of lengths"),
        ({"dtype": "O"}, ndb.UnsupportedError, "Python objects"),
        ({"attrs": 3}, ndb.ArgumentTypeError, "attrs must be a dict"),
    ],
)
def test_what_cannot_grow_says_why(tmp_path, options, error, words):
    path = tmp_path / "a.ndb"
    path.write_bytes(b"old")
    with pytest.raises(error, match=words):
        ndb.open(path, "w", **{"dtype": "<f4", "shape": (None, 2)} | options)
    assert path.read_bytes() == b"old"


def test_mistakes_with_handles(tmp_path):
    path, rows = tmp_path / "a.ndb", rows_of("<f4", (3, 2))
    handle = begun(path, "<f4", (2,))
    handle.append(rows)
    for call, error, words in [
        (lambda: handle.append(rows.astype("<f8")), ndb.MismatchError, r"expected <f4\[\?,2\], found <f8\[3,2\]"),
        (lambda: handle.append(rows.astype(">f4")), ndb.MismatchError, r"found >f4\[3,2\]"),
        (lambda: handle.append(rows[0]), ndb.MismatchError, r"found <f4\[2\]"),
        (lambda: handle.append(rows[:, :1]), ndb.MismatchError, r"found <f4\[3,1\]"),
        (lambda: handle.resize(1), ndb.ArgumentError, "to a .ndb rows are appended; it gets no other length"),
        (lambda: handle.__setitem__(0, 1), ndb.ArgumentError, "rows are appended, and not changed"),
        (lambda: pickle.dumps(handle), ndb.ArgumentTypeError, "only a handle of a path, of mode 'r', can be pickled"),
        (lambda: ndb.open(path, "c"), ndb.ArgumentError, "its data are in blocks, so it is only read"),
        (lambda: ndb.open(path, codec="lz4"), ndb.ArgumentError, "codec, level and block are for a .ndb to which rows"),
        (lambda: ndb.open(path, "r+", block=(1, 2)), ndb.ArgumentError, "codec, level and block are for a .ndb"),
        (lambda: ndb.open(path).append(rows), ndb.ArgumentError, "opened|open it with mode 'r\\+'"),
    ]:
        with pytest.raises(error, match=words):
            call()
    # No mistake costs a row.
    handle.close()
    handle.close()
    same(ndb.load(path), rows)
    for use in [lambda: handle.append(rows), lambda: handle[0], lambda: handle.shape, handle.flush, lambda: ndb.verify(handle)]:
        with pytest.raises(ndb.ArgumentError, match="the handle is closed; open the file again"):
            use()
    with pytest.raises(ndb.ArgumentError, match="in blocks"):
        ndb.load(path, mmap="r")
    ndb.save(path, rows_of("<f4", (300, 2)), codec="zstd")
    with pytest.raises(ndb.ArgumentError, match="its data are in blocks, so it is only read"):
        ndb.open(path, "r+")
    with pytest.raises(ndb.ArgumentError, match="only a .ndb has a first axis of no length yet"):
        ndb.open(tmp_path / "a.npy", "w", dtype="<f4", shape=(None, 2))


def test_a_file_that_another_replaces_is_not_overwritten(tmp_path):
    path, rows = tmp_path / "a.ndb", rows_of("<f4", (3, 2))
    handle = begun(path, "<f4", (2,))
    handle.append(rows)
    ndb.save(path, rows[:1])
    with pytest.raises(OSError, match="another file has taken its place") as raised:
        handle.flush()
    assert raised.value.filename == str(path)
    with pytest.raises(ndb.ArgumentError, match="an earlier write has failed"):
        handle.append(rows)
    handle.close()
    same(ndb.load(path), rows[:1])


def test_gaps_stay_at_home(tmp_path):
    dtype = np.dtype({"names": ["a"], "formats": ["<u2"], "offsets": [1], "itemsize": 5})
    rows = np.frombuffer(b"\xAA" * 50, dtype)
    for flushes in (False, True):
        with begun(tmp_path / "a.ndb", dtype, (), codec="none") as handle:
            handle.append(rows[:4])
            if flushes:
                handle.flush()
            handle.append(rows[4:])
        assert b"\xAA" * 3 not in (tmp_path / "a.ndb").read_bytes()


def test_what_was_opened_is_verified_as_it_was_then(tmp_path):
    path, rows = tmp_path / "a.ndb", rows_of("<f8", (3000, 40))
    with begun(path, "<f8", (40,), codec="none") as handle, ndb.open(path) as none:
        handle.append(rows[:10])
        handle.flush()
        with ndb.open(path) as some:
            handle.append(rows[10:])
            handle.flush()
            for opened, length in [(none, 0), (some, 10)]:
                assert ndb.verify(opened) and opened.shape == (length, 40)
                assert ndb.verify(opened).nbytes == 320 * length
                assert ndb.digest(opened) == ndb.digest(rows[:length])
    assert ndb.digest(path) == ndb.digest(rows)


def test_a_fork_neither_appends_nor_takes_the_lock_away(tmp_path):
    """Python's own `fork`: what the child drops is the parent's too."""
    path, rows = tmp_path / "a.ndb", rows_of("<f4", (3, 2))
    program = """if True:
        import gc, os, sys, numpy as np, ndbytes as ndb
        path, rows = sys.argv[1], np.ones((3, 2), "<f4")
        handle = ndb.open(path, "r+")
        handle.append(rows)
        child = os.fork()
        if child == 0:
            for use in (lambda: handle.append(rows), handle.flush, lambda: handle[...]):
                try:
                    use()
                except ndb.ArgumentError as error:
                    assert "another process has opened it" in str(error), error
                else:
                    os._exit(1)
            handle.close()
            del handle
            gc.collect()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        try:
            ndb.open(path, "r+")
        except OSError as error:
            assert "another appends to it" in str(error), error
        else:
            sys.exit("the lock is gone")
        handle.close()
        print(len(ndb.load(path)))
    """
    with begun(path, "<f4", (2,)) as handle:
        handle.append(rows)
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("6\n", "")


def test_a_file_that_another_cuts_is_not_made_longer(tmp_path):
    path, rows = tmp_path / "a.ndb", rows_of("<f4", (3, 2))
    with begun(path, "<f4", (2,)) as handle:
        handle.append(rows)
        handle.flush()
        handle.append(rows)
        length = path.stat().st_size - 1
        with path.open("r+b") as file:
            file.truncate(length)
        with pytest.raises(ndb.TruncatedError, match=f"another has cut the file to {length} bytes"):
            handle.flush()
    assert path.stat().st_size == length


BESIDE = """
import sys, time, numpy as np, ndbytes as ndb
path, at, until = sys.argv[1], 0, time.monotonic() + 3
with ndb.open(path, "r+", codec="none") as handle:
    print("ready", flush=True)
    while time.monotonic() < until:
        count = 1 + at % 7
        handle.append(np.repeat(np.arange(at, at + count), 3).reshape(-1, 3))
        handle.flush()
        at += count
"""


def test_readers_beside_a_writer_see_whole_arrays_that_grow(tmp_path):
    path, last, seen = tmp_path / "a.ndb", 0, 0
    begun(path, "<i8", (3,)).close()
    process = subprocess.Popen([sys.executable, "-c", BESIDE, path], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    while process.poll() is None:
        for read in [ndb.load, lambda path: ndb.open(path)[...], lambda path: ndb.load(path, recover=True)[0]]:
            found = read(path)
            assert len(found) >= last and (found == np.arange(len(found))[:, None]).all()
            seen, last = seen + (len(found) > last), len(found)
        with ndb.open(path) as handle:
            ndb.verify(handle).raise_for_damage()
        ndb.verify(path).raise_for_damage()
        assert ndb.info(path)["shape"][0] >= last
        ndb.digest(path)
    process.stdout.close()
    assert process.returncode == 0 and seen > 3


def test_a_handler_inside_an_append_can_close_nothing(tmp_path):
    """It is told so, and the handle stays what it was."""
    path, rows, told = tmp_path / "a.ndb", np.random.default_rng(1).random((60_000, 20)), []
    handle = begun(path, "<f8", (20,), codec="small")

    def closes(*_):
        with pytest.raises(ndb.ArgumentError, match="in use by the very call") as raised:
            handle.close()
        told.append(str(raised.value))

    before = signal.signal(signal.SIGALRM, closes)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        handle.append(rows)
        handle.flush()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert told and not handle.closed
    handle.append(rows[:1])
    handle.close()
    assert handle.closed
    same(ndb.load(path), np.concatenate([rows, rows[:1]]))
