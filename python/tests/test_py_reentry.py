"""Calls inside of calls: a signal handler, or a method of a file object, uses what the interrupted call is using."""

import contextlib
import io
import os
import signal
import threading
import zlib

import numpy as np
import pytest

import ndbytes as ndb
import ndbytes.numpy as npio

BUSY = "in use by the very call that this one interrupts"


@pytest.fixture
def watchdog():
    """A test that waits for itself would wait for ever: the process ends, and says where."""
    import faulthandler

    faulthandler.dump_traceback_later(60, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@contextlib.contextmanager
def slowed():
    """All of it on one core, with busy threads beside: a call takes long enough to look for signals, every 50 ms."""
    cores, stop, work = os.sched_getaffinity(0), threading.Event(), bytes(16 << 20)

    def busy():
        while not stop.is_set():
            zlib.crc32(work)  # Without the GIL.

    os.sched_setaffinity(0, {min(cores)})
    threads = [threading.Thread(target=busy) for _ in range(12)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        os.sched_setaffinity(0, cores)
        for thread in threads:
            thread.join()


def interrupted(call, handler, before=lambda: None):
    """What `handler` gets, which a timer runs inside of `call`: up to its first error, or some times."""
    got = []

    def run(*_):
        try:
            got.append(handler())
        except Exception as error:
            got.append(error)

    old = signal.signal(signal.SIGALRM, run)
    try:
        with slowed():
            for _ in range(50):
                before()
                signal.setitimer(signal.ITIMER_REAL, 0.01)
                call()
                signal.setitimer(signal.ITIMER_REAL, 0)
                if any(isinstance(found, Exception) for found in got) or len(got) > 1:
                    break
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert got
    return got


@pytest.fixture
def handle(tmp_path):
    with ndb.open(tmp_path / "a.npy", "w+", dtype="u1", shape=(60 << 20,), checksum=True) as handle:
        yield handle


@pytest.mark.parametrize("handler", [lambda h: h[0], lambda h: h.checksum_state, lambda h: h.flush()])
def test_a_handler_inside_a_flush_gets_an_error_and_does_not_wait(watchdog, handle, handler):
    # Without a change there is nothing to flush.
    got = interrupted(handle.flush, lambda: handler(handle), lambda: handle.__setitem__(0, 1))
    errors = [error for error in got if isinstance(error, Exception)]
    assert errors
    assert all(isinstance(error, ndb.ArgumentError) and BUSY in str(error) for error in errors)
    handle.flush()
    assert handle[0] == 1 and ndb.verify(handle).state == "verified"


@pytest.mark.parametrize("write", ["item", "append"])
def test_a_handler_that_writes_while_the_file_grows_gets_an_error(watchdog, handle, write):
    def handler():
        if write == "item":
            handle[0] = 2
        else:
            handle.append(np.zeros(1, "u1"))

    got = interrupted(lambda: handle.append(np.zeros(1, "u1")), handler)
    errors = [error for error in got if isinstance(error, Exception)]
    assert errors
    assert all(isinstance(error, ndb.ArgumentError) and BUSY in str(error) for error in errors)


def test_a_handler_may_read_while_the_file_grows_and_is_verified(watchdog, handle):
    handle[5] = 7
    for call in (lambda: handle.append(np.zeros(1, "u1")), lambda: ndb.verify(handle)):
        assert {int(found) for found in interrupted(call, lambda: handle[5])} == {7}


def test_a_file_that_asks_its_own_archive_gets_an_error(watchdog):
    class Asking(io.BytesIO):
        asks = False

        def read(self, *size):
            if self.asks:
                self.asks = False
                npz["b"]
            return super().read(*size)

    file = Asking()
    np.savez(file, a=np.arange(3), b=np.arange(4))
    file.seek(0)
    npz = npio.load(file)
    file.asks = True
    with pytest.raises(ndb.ArgumentError, match=BUSY):
        npz["a"]
    assert npz["a"].tolist() == [0, 1, 2] and npz["b"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("method", ["seek", "read"])
def test_what_ends_a_program_ends_a_load(method, raised):
    def ends(self, *_):
        raise raised

    file = type("File", (io.BytesIO,), {method: ends})(ndb.dumps(np.arange(3)))
    with pytest.raises(raised):
        ndb.load(file)


def test_an_error_of_the_first_read_is_raised_and_not_read_over():
    class Once(io.BytesIO):
        failed = False

        def read(self, *size):
            if not self.failed:
                self.failed = True
                raise RuntimeError("once")
            return super().read(*size)

    with pytest.raises(RuntimeError, match="once"):
        ndb.load(Once(ndb.dumps(np.arange(3))))


def test_a_file_that_does_not_wait_is_an_error_and_not_half_an_array():
    array = np.zeros(1 << 20, "u1")
    for save in (ndb.save, lambda file, a: ndb.tofile(a, file), npio.save, npio.savez):
        read, write = os.pipe()
        os.set_blocking(write, False)
        with open(read, "rb"), open(write, "wb", buffering=0) as file, pytest.raises(BlockingIOError, match="not all"):
            save(file, array)


def test_any_bytes_that_a_file_gives_are_taken():
    data = ndb.dumps(np.arange(3))

    class File:
        def __init__(self, kind):
            self.file, self.kind = io.BytesIO(data), kind

        def read(self, size):
            return self.kind(self.file.read(size))

    for kind in (bytearray, memoryview, lambda part: np.frombuffer(part, "u1")):
        assert ndb.load(File(kind)).tolist() == [0, 1, 2]
    with pytest.raises(TypeError, match="binary mode"):
        ndb.load(File(lambda part: part.decode("latin1")))


def test_a_handle_is_read_by_threads_while_it_is_flushed(watchdog, handle):
    handle[5] = 7
    stop, seen = threading.Event(), []

    def read():
        while not stop.is_set():
            seen.append(int(handle[5]))

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        handle[0] += 1
        handle.flush()
    stop.set()
    for thread in threads:
        thread.join()
    assert set(seen) == {7}


@pytest.fixture(params=["C", "F"])
def growing(request, tmp_path):
    """A handle whose file grows while an index is looked at."""
    with ndb.open(tmp_path / "a.npy", "w+", dtype="i4", shape=(4, 3), order=request.param, checksum=True) as handle:
        handle[...] = np.arange(12).reshape(4, 3)

        class Growing:
            def __index__(self):
                handle.resize(8)
                return 1

        yield handle, Growing()


def test_what_is_read_while_the_file_grows_is_what_stood_there(growing):
    handle, index = growing
    assert handle[index].tolist() == [3, 4, 5]
    assert handle.shape == (8, 3) and handle[1].tolist() == [3, 4, 5]


def test_what_is_written_while_the_file_grows_is_no_silent_loss(growing):
    handle, index = growing
    with pytest.raises(ndb.ArgumentError, match="got another length"):
        handle[index] = 9
    assert handle[1].tolist() == [3, 4, 5]
    handle[1] = 9
    handle.flush()
    assert handle[1].tolist() == [9, 9, 9] and ndb.verify(handle).state == "verified"
