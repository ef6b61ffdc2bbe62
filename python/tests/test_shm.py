"""`ndbytes.shm`: arrays in memory that processes share, and what neither can do to the other."""

import gc
import multiprocessing
import os
import pickle
import socket
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

import cases
import ndbytes as ndb
import workers
from cases import DTYPES
from workers import descriptors, shared_memory, soon

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="descriptors are passed on Linux"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

A = np.arange(24, dtype=">i2").reshape(4, 6)
HUGE = 192 << 20


@pytest.fixture
def pair():
    here, there = socket.socketpair()
    here.settimeout(20)
    there.settimeout(20)
    with here, there:
        yield here, there


def views(a):
    """An array, and views of it of every kind."""
    yield a
    if a.ndim:
        yield from (a[::-1], a[1:], a.T, a[..., None], a[-1:, ...], a[::2].reshape(-1)[:0])
        yield np.broadcast_to(a[:1], (3, *a.shape[1:]))
        yield a[(0,) * a.ndim + (...,)]


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("name", DTYPES)
def test_every_dtype_is_handed_over_as_it_is(name, order, pair):
    here, there = pair
    dtype = DTYPES[name]
    for made in (ndb.shm.zeros, ndb.shm.empty):
        a = made((3, 4), dtype, order)
        assert (a.dtype, a.shape, a.strides) == (dtype, (3, 4), np.zeros((3, 4), dtype, order).strides)
        assert a.flags.writeable and a.flags.aligned
        cases.check(a.tobytes(), bytes(a.nbytes), dtype)
    a = ndb.shm.share(cases.make(dtype, (3, 4)) if order == "C" else cases.make(dtype, (4, 3)).T)
    for view in views(a):
        assert ndb.shm.is_shared(view) == (view.size > 0)
        ndb.shm.send(here, view)
        found = ndb.shm.recv(there)
        assert (found.dtype, found.shape) == (view.dtype, view.shape)
        assert view.size == 0 or found.strides == view.strides
        cases.check(found.tobytes(), view.tobytes(), dtype)
        assert ndb.shm.is_shared(found) == (view.size > 0)
        # Who may not write has a map of its own.
        assert np.shares_memory(found, view) == (view.size > 0 and view.flags.writeable)
        assert found.flags.writeable == view.flags.writeable


def test_all_see_what_one_writes(pair):
    here, there = pair
    pid = os.fork()
    if pid == 0:
        # Neither the parent's clean-up nor its exit: this is the child.
        code = 1
        try:
            a = ndb.shm.recv(there)
            a[1, ::2] = 77
            ndb.shm.send(there, a[1])
            there.recv(1)
            code = int(a[0, 0]) - 5
        finally:
            os._exit(code)
    a = ndb.shm.share(A)
    ndb.shm.send(here, a)
    row = ndb.shm.recv(here)
    wanted = A.copy()
    wanted[1, ::2] = 77
    assert np.array_equal(a, wanted) and np.array_equal(row, wanted[1]) and np.shares_memory(row, a)
    row[1] = 3
    assert a[1, 1] == 3
    a[0, 0] = 5
    here.send(b"w")
    assert os.waitpid(pid, 0)[1] == 0


def test_it_is_found_from_whatever_was_made_of_it():
    a = ndb.shm.zeros((4, 5), "f4")
    views = [a[1:3, ::-2], a.view("u1"), np.asarray(memoryview(a)), np.frombuffer(a, "u1", offset=4), a.view(np.matrix), a.ravel()]
    views += [np.from_dlpack(a), np.lib.stride_tricks.as_strided(a, (2,), (8,)), a.real]
    del a
    gc.collect()
    for view in views:
        assert ndb.shm.is_shared(view), view
    for other in (np.zeros(3), views[0] + 1, views[0].copy(), np.array([None]), np.ones(()), np.zeros((0, 2))):
        assert not ndb.shm.is_shared(other)
    for wrong in ([1], None, 3.0, memoryview(b"x")):
        with pytest.raises(ndb.ArgumentTypeError, match="expected an array, found"):
            ndb.shm.is_shared(wrong)


def test_it_goes_with_the_last_that_looks_at_it(pair):
    before, memory = descriptors(), shared_memory()
    a = ndb.shm.empty(HUGE, "u1")
    a[:] = 1
    part = a[5:6]
    del a
    assert descriptors() == before + 1 and ndb.shm.is_shared(part)
    assert shared_memory() > memory + HUGE // 2
    # A descriptor that is under way holds it as well.
    ndb.shm.send(pair[0], part)
    del part
    assert shared_memory() > memory + HUGE // 2
    found = ndb.shm.recv(pair[1])
    assert found[0] == 1
    del found
    assert descriptors() == before
    assert soon(lambda: shared_memory() < memory + HUGE // 2)
    # And what is never received goes with the socket.
    ndb.shm.send(pair[0], ndb.shm.share(np.ones(HUGE, "u1")))
    assert shared_memory() > memory + HUGE // 2
    pair[0].close()
    pair[1].close()
    assert soon(lambda: shared_memory() < memory + HUGE // 2)
    from ndbytes import _segments

    assert len(_segments._starts) == len(_segments._at)


def test_memory_is_found_while_other_threads_make_and_drop_some():
    from ndbytes import _segments

    wrong, interval, looking = [], sys.getswitchinterval(), threading.Event()

    def churn():
        while not looking.is_set():
            for count in range(1, 5):
                kept = [ndb.shm.empty(4096, "u1") for _ in range(count)]
                del kept

    def look():
        a, plain = ndb.shm.empty(4096, "u1"), np.empty(4096, "u1")
        mine = _segments.find(a)
        try:
            for _ in range(20_000):
                if _segments.find(a) is not mine or _segments.find(plain) is not None:
                    wrong.append("found another")
        except Exception as error:
            wrong.append(repr(error))

    churning = [threading.Thread(target=churn) for _ in range(2)]
    looks = [threading.Thread(target=look) for _ in range(3)]
    sys.setswitchinterval(1e-6)
    try:
        for thread in churning + looks:
            thread.start()
        for thread in looks:
            thread.join()
    finally:
        looking.set()
        sys.setswitchinterval(interval)
        for thread in churning:
            thread.join()
    assert not wrong


def test_a_killed_holder_leaves_nothing(pair):
    here, there = pair
    memory = shared_memory()
    a = ndb.shm.empty(HUGE, "u1")
    a[:] = 1
    ndb.shm.send(here, a)
    process = multiprocessing.get_context("fork").Process(target=receive_and_sleep, args=(there,))
    process.start()
    assert here.recv(1) == b"w"
    there.close()
    del a
    assert shared_memory() > memory + HUGE // 2, "the child has it"
    process.kill()
    process.join()
    assert soon(lambda: shared_memory() < memory + HUGE // 2)


def receive_and_sleep(there):
    a = ndb.shm.recv(there)
    there.send(b"w")
    soon(lambda: a[0] == 2, 100)


def test_many_hand_overs_leave_nothing(pair):
    before, resident = descriptors(), workers.resident()
    for number in range(1000):
        ndb.shm.send(pair[0], ndb.shm.share(np.full(1 << 18, number, "u4")))
        assert ndb.shm.recv(pair[1], readonly=number % 2 == 0)[-1] == number
    assert descriptors() == before
    assert workers.resident() < resident + (16 << 20)


def test_readonly(pair):
    here, there = pair
    a = ndb.shm.share(A)
    ndb.shm.send(here, a)
    found = ndb.shm.recv(there, readonly=True)
    assert not found.flags.writeable
    with pytest.raises(ValueError, match="WRITEABLE"):
        found.flags.writeable = True
    a[0, 0] = 9
    assert found[0, 0] == 9
    # What was received for reading is passed on for reading; so is what does not let itself be written to.
    ndb.shm.send(here, found)
    assert not ndb.shm.recv(there).flags.writeable
    a.flags.writeable = False
    ndb.shm.send(here, a)
    assert not ndb.shm.recv(there).flags.writeable
    ndb.shm.send(here, A)
    assert not ndb.shm.recv(there, readonly=True).flags.writeable


def test_other_arrays_and_other_sockets_take_the_stream(pair):
    here, there = pair
    shared = ndb.shm.share(A)
    for a in (A, shared, A.T, np.zeros((0, 3)), shared[::2]):
        ndb.shm.send(here, a)
    ndb.send(here, A)
    here.close()
    for a, is_shared in ((A, False), (shared, True), (A.T, False), (np.zeros((0, 3)), False), (shared[::2], True), (A, False)):
        found = ndb.shm.recv(there)
        assert np.array_equal(found, a) and found.dtype == a.dtype and ndb.shm.is_shared(found) == is_shared
    with pytest.raises(EOFError):
        ndb.shm.recv(there)
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, socket.create_connection(listener.getsockname()) as here, listener.accept()[0] as there:
        ndb.shm.send(here, shared)
        found = ndb.shm.recv(there)
        assert np.array_equal(found, A) and not ndb.shm.is_shared(found)


def test_where_there_is_no_such_memory_arrays_are_ordinary(pair, monkeypatch):
    from ndbytes import _segments

    monkeypatch.setattr(_segments, "core", None)
    monkeypatch.setattr(ndb.shm, "_core_shm", None)
    a = ndb.shm.share(A.T)
    assert np.array_equal(a, A.T) and not ndb.shm.is_shared(a) and a.flags.f_contiguous
    ndb.shm.send(pair[0], a)
    assert np.array_equal(ndb.shm.recv(pair[1]), A.T)
    ndb.multiprocessing._works.cache_clear()
    try:
        assert ndb.multiprocessing.install() is False
    finally:
        ndb.multiprocessing._works.cache_clear()


def test_time_outs_and_sockets_that_do_not_wait(pair):
    here, there = pair
    there.settimeout(0.05)
    with pytest.raises(TimeoutError):
        ndb.shm.recv(there)
    here.setblocking(False)
    with pytest.raises(ndb.ArgumentError, match="non-blocking"):
        ndb.shm.send(here, ndb.shm.zeros(3))
    here.settimeout(5)
    there.close()
    with pytest.raises(ConnectionError):
        ndb.shm.send(here, ndb.shm.zeros(3))


def test_what_cannot_be_shared():
    for dtype in (object, [("a", object)]):
        with pytest.raises(ndb.UnsupportedError, match="Python objects"):
            ndb.shm.empty(3, dtype)
    for wrong in (np.array([None]), np.ma.masked_array([1, 2], [0, 1])):
        with pytest.raises(ndb.UnsupportedError):
            ndb.shm.share(wrong)
    with pytest.raises(ndb.ArgumentError, match="order must be 'C' or 'F', found 'K'"):
        ndb.shm.zeros(3, order="K")
    with pytest.raises(ValueError, match="negative dimensions"):
        ndb.shm.empty((3, -1))


@pytest.mark.unpickles
def test_pickle_makes_a_copy():
    a = ndb.shm.share(A)
    found = pickle.loads(pickle.dumps(a))
    assert np.array_equal(found, A) and not ndb.shm.is_shared(found)


def test_nothing_is_imported_before_it_is_asked_for():
    code = """
        import sys, ndbytes as ndb
        assert not {"ndbytes.shm", "ndbytes.multiprocessing", "multiprocessing", "socket"} & sys.modules.keys()
        assert ndb.shm.zeros(3).sum() == 0
        assert "multiprocessing" not in sys.modules
        assert ndb.multiprocessing.install()
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], env=environment, check=True)
    with pytest.raises(AttributeError, match="has no attribute 'shn'"):
        ndb.shn


def test_memory_that_is_gone_hides_none_that_lies_where_it_was():
    """Another is mapped before the first is forgotten: its callback is only about to run."""
    size = 1 << 20
    address = lambda a: a.__array_interface__["data"][0]  # noqa: E731
    kept = sorted((ndb.shm.zeros(size, "u1") for _ in range(8)), key=address)
    first = next((i for i in range(1, 7) if address(kept[i]) + size == address(kept[i + 1])), None)
    if first is None:
        pytest.skip("no two of them lie side by side")
    place, made = address(kept[first]), []

    def trace(frame, *_):
        if frame.f_code.co_name == "<lambda>" and frame.f_code.co_filename.endswith("_segments.py"):
            sys.settrace(None)
            made.append(ndb.shm.zeros(2 * size, "u1"))

    tracing = sys.gettrace()
    kept[first] = None
    sys.settrace(trace)
    kept[first + 1] = None
    sys.settrace(tracing)
    assert len(made) == 1
    if address(made[0]) != place:
        pytest.skip("the system has mapped it elsewhere")
    assert ndb.shm.is_shared(made[0]) and ndb.shm.is_shared(made[0][size + size // 2 :])
