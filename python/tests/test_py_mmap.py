"""Arrays over files, and handles while other things go on: threads, signals, what others do to the file."""

import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

import ndbytes as ndb
from cases import make
from handles import KINDS, same
from saving import needs_strace


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "compressed"])
@pytest.mark.parametrize("mode", ["r", "r+", "c"])
@pytest.mark.parametrize("order", "CF")
def test_mapped_arrays(tmp_path, kind, mode, order):
    if kind == "gaps" and order == "F":
        return
    array = np.array(make(np.dtype(">i4"), (5, 3)), order=order)
    path = tmp_path / "a"
    options = KINDS[kind](path, array)
    before = path.read_bytes()
    mapped = ndb.load(path, mmap=mode, **options)
    assert type(mapped) is np.ndarray and mapped.flags.writeable == (mode != "r")
    same(mapped, array)
    assert kind == "gaps" or mapped.flags[f"{order}_CONTIGUOUS"]
    assert ndb.verify(path).state == {"checked": "verified", "frame": "verified"}.get(kind, "unchecked") or mode == "r+" \
        if not options else True
    if mode == "r":
        with pytest.raises(ValueError, match="read-only"):
            mapped[0] = 1
        with pytest.raises(ValueError):
            mapped.flags.writeable = True
        return
    part = mapped[1:]
    del mapped
    part[0] = [7, 8, 9]
    array[1] = [7, 8, 9]
    same(part, array[1:])
    if mode == "r+" and kind in ("checked", "frame"):
        assert ndb.info(path)["checksum"] == "open"
    del part  # The last one that looks at it.
    if mode == "c":
        assert path.read_bytes() == before
    else:
        same(ndb.load(path, **options, require_checksum=kind in ("checked", "frame")), array)


def test_mapped_arrays_stay_when_the_file_is_replaced(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.arange(5))
    mapped = ndb.load(path, mmap="r")
    ndb.save(path, np.zeros(3))
    os.unlink(path)
    same(mapped, np.arange(5))


def test_what_is_expected_of_a_mapped_array(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.arange(5, dtype="<i8"))
    same(ndb.load(path, mmap="r", expect="<i8[?]"), np.arange(5))
    for options, error, words in [
        ({"expect": "<i4[?]"}, ndb.MismatchError, r"expected <i4\[\?\], found <i8\[5\]"),
        ({"mmap": "w+"}, ndb.ArgumentError, r"mode must be one of r, r\+ or c, found \"w\+\""),
        ({"shape": 5}, ndb.ArgumentError, "for files without a header"),
    ]:
        with pytest.raises(error, match=words):
            ndb.load(path, **{"mmap": "r"} | options)
    with path.open("rb") as file, pytest.raises(ndb.ArgumentError, match="mmap is for a path, found a file object"):
        ndb.load(file, mmap="r")


# Threads, signals, descriptors.


def test_threads_read_at_once_while_others_write_and_grow(tmp_path):
    """Each row is the same number throughout, whatever happens meanwhile."""
    path = tmp_path / "a.npy"
    handle = ndb.open(path, "w+", dtype="<i8", shape=(64, 1000), checksum=True)
    stop, wrong = threading.Event(), []

    def read():
        while not stop.is_set():
            try:
                for row in (*handle[3:60:7], *handle[[1, 5, -1]], *handle.take([2, 9])):
                    if len(set(row[:2].tolist())) > 2 or row.shape != (1000,):
                        wrong.append(row)
                handle.shape, handle.checksum_state
            except ndb.Error as error:
                if "closed" not in str(error):
                    wrong.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for turn in range(40):
        handle[turn] = turn
        handle.append(np.full((2, 1000), turn))
        handle.flush()
    handle.close()
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong
    found = ndb.load(path, require_checksum=True)
    assert found.shape == (144, 1000) and (found[:40] == np.arange(40)[:, None]).all()


def interrupted(work):
    """Does it until a SIGINT comes, at some moment of it."""
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        while True:
            work()


@pytest.mark.parametrize("work", ["read", "write", "fill", "flush", "append", "verify", "compress", "decompress", "diff"])
def test_ctrl_c_leaves_a_file_that_verifies(tmp_path, work):
    """That it is heard inside of long calls, and not only between them, is for `test_py_robust` to see."""
    shape = (1 << 21, 8)
    path = tmp_path / "a.npy"
    handle = ndb.open(path, "w+", dtype="<i8", shape=shape, checksum=True)
    handle.flush()
    values = np.random.default_rng(0).integers(0, 100, shape)
    packed = ndb.zlib.compress(values[: 1 << 18], 1)

    def flush():
        handle[0] = 1
        handle.flush()

    interrupted({
        "read": lambda: handle[:, ::-1],
        "write": lambda: handle.__setitem__(..., values),
        "fill": lambda: handle.__setitem__(..., 1),
        "flush": flush,
        "append": lambda: handle.append(values),
        "verify": lambda: ndb.verify(path),
        "compress": lambda: ndb.zlib.compress(values),
        "decompress": lambda: ndb.zlib.decompress(packed),
        "diff": lambda: ndb.diff(values, values + 1),
    }[work])
    handle.close()
    assert ndb.verify(path).state == "verified"
    assert len(os.listdir(tmp_path)) == 1


def test_descriptors_and_maps_go_with_their_handles(tmp_path):
    path = tmp_path / "a.npy"
    ndb.save(path, np.arange(1000), checksum=True)

    def counted():
        with open("/proc/self/maps") as maps:
            return len(os.listdir("/proc/self/fd")), sum("a.npy" in line for line in maps)

    before = counted()
    for turn in range(50):
        handle = ndb.open(path, ["r", "r+", "c"][turn % 3])
        handle[3:5], handle[[1]]
        array = ndb.load(path, mmap=["r", "r+", "c"][turn % 3])
        array[2]
        with pytest.raises(ndb.ArgumentError):
            ndb.open(path, shape=3)
        if turn % 2:
            handle.close()
    del handle, array
    assert counted() == before


@needs_strace
def test_what_is_touched_is_brought_in_first(tmp_path):
    """Between the size of a file and the use of its pages another may cut it: each use asks the kernel for them."""
    path = tmp_path / "a.npy"
    np.save(path, np.arange(1 << 20))
    uses = ["h[5]", "h[::100_000]", "h[[3, 900_000]]", "h.take([7])", "h.__setitem__(5, 1)", "h.__setitem__([5, 9], 1)"]
    for use in uses:
        code = f"import ndbytes as ndb; h = ndb.open({str(path)!r}, 'r+'); print('here', flush=True); {use}"
        traced = ["strace", "-f", "-e", "trace=madvise,write", sys.executable, "-c", code]
        done = subprocess.run(traced, capture_output=True, text=True, check=True)
        _, _, after = done.stderr.partition("here")
        calls = sum("MADV_POPULATE_READ" in line or "0x16" in line for line in after.splitlines())
        # One for neighbours, one for each where they lie apart.
        assert calls == {"h[::100_000]": 11, "h[[3, 900_000]]": 2}.get(use, 1), (use, after)
