"""`ndbytes.shm`: arrays in memory that processes share, and what neither can do to the other."""

import array
import fcntl
import gc
import json
import mmap
import multiprocessing
import os
import pickle
import socket
import struct
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import cases
import ndbytes as ndb
import workers
from cases import DTYPES
from checked import crc32c
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
        wanted = np.zeros((3, 4), dtype, order)
        assert (a.dtype, a.shape, a.strides) == (wanted.dtype, wanted.shape, wanted.strides)
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


def record(size=48):
    from ndbytes import _core

    return _core.shm.encode(A.dtype, (0, A.shape, A.strides), size, True)


def memfd(size=48, seals=fcntl.F_SEAL_SHRINK):
    number = os.memfd_create("peer", os.MFD_ALLOW_SEALING)
    os.ftruncate(number, size)
    fcntl.fcntl(number, fcntl.F_ADD_SEALS, seals)
    return number


def passed(pair, data, *numbers):
    """What `recv` makes of bytes with these descriptors, none of which stays open."""
    here, there = pair
    before = descriptors() - len(numbers)
    socket.send_fds(here, [data], numbers) if numbers else here.sendall(data)
    for number in numbers:
        os.close(number)
    try:
        return ndb.shm.recv(there)
    except Exception as raised:
        # Without the frames that it went through, which hold what they had.
        error = raised.with_traceback(None)
    assert descriptors() == before
    raise error


def summed(data):
    return crc32c(data).to_bytes(4, "little")


def test_the_specification_is_enough_for_a_peer(pair):
    """Made and read with Python's own modules, by `spec/WIRE.md`, section 9, and FORMAT.md, section 6."""
    here, there = pair
    ndb.shm.send(here, ndb.shm.share(A)[1:, ::-2])
    data, ((_, _, number),), _, _ = there.recvmsg(4096, socket.CMSG_SPACE(4))
    magic, version, access, axes, zero, size, memory, offset = struct.unpack_from("<8s4BIQQ", data)
    assert (magic, version, access, axes, zero) == (b"\x89NDBS\r\n\x1a", 0, 1, 2, 0)
    assert (size, memory) == (len(data), A.nbytes)
    strides = struct.unpack_from("<2q", data, 32)
    assert (offset, strides) == (12 + 10, (12, -4))
    assert data[48:52] == summed(data[:48])
    header = data[52:]
    length, nbytes = struct.unpack_from("<IQ", header, 12)
    assert header[:8] == b"\x89NDBF\r\n\x1a" and (length, nbytes) == (len(header), 18)
    assert header[-4:] == summed(header[:-4])
    said = json.loads(header[24:-4])
    assert (said["dtype"], said["shape"]) == (">i2", [3, 3])
    number = array.array("i", number)[0]
    with mmap.mmap(number, memory) as mapped:
        places = [offset + row * 12 - column * 4 for row in range(3) for column in range(3)]
        assert [struct.unpack_from(">h", mapped, at)[0] for at in places] == A[1:, ::-2].ravel().tolist()
    os.close(number)

    text = b'{"dtype":"<u2","shape":[2]}'.ljust(64 - 28 + 64)
    header = b"\x89NDBF\r\n\x1a" + bytes(4) + struct.pack("<IQ", 128, 4) + text
    header += summed(header)
    front = struct.pack("<8s4BIQQq", b"\x89NDBS\r\n\x1a", 0, 0, 1, 0, 44 + 128, 48, 5, 3)
    number = memfd()
    os.pwrite(number, bytes(range(48)), 0)
    found = passed(pair, front + summed(front) + header, number)
    assert found.tolist() == [5 + 6 * 256, 8 + 9 * 256] and not found.flags.writeable


def test_memory_that_the_peer_could_cut_is_refused(pair, tmp_path):
    found = passed(pair, record(), memfd())
    assert found.shape == A.shape and found.dtype == A.dtype
    file = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    os.ftruncate(file, 48)
    for number in (memfd(seals=0), memfd(seals=fcntl.F_SEAL_GROW), file, os.pipe()[0]):
        with pytest.raises(ndb.UnsupportedError, match=r"it must be a memfd sealed against that \(F_SEAL_SHRINK\)"):
            passed(pair, record(), number)


def test_what_a_peer_may_try(pair):
    a = ndb.shm.share(A)
    ndb.shm.send(pair[0], a)
    _, _, _, _ = data = pair[1].recvmsg(4096, socket.CMSG_SPACE(4))
    number = array.array("i", data[1][0][2])[0]
    for attempt in (
        lambda: os.ftruncate(number, 0),
        lambda: os.ftruncate(number, 47),
        lambda: os.ftruncate(number, 4096),
        lambda: os.truncate(f"/proc/self/fd/{number}", 0),
        lambda: fcntl.fcntl(number, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE),
    ):
        with pytest.raises(PermissionError):
            attempt()
    os.close(number)
    assert np.array_equal(a, A)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda pair: passed(pair, record()), ndb.FormatError, "came with 0 descriptors; it has exactly one"),
        (lambda pair: passed(pair, record(), memfd(), memfd()), ndb.FormatError, "came with 2 descriptors"),
        (lambda pair: passed(pair, record(), *(memfd() for _ in range(9))), ndb.FormatError, "descriptors; it has exactly"),
        (lambda pair: passed(pair, record(49), memfd()), ndb.FormatError, "memory of 49 bytes was announced"),
        (lambda pair: passed(pair, record()[:-1] + b"x", memfd()), ndb.ChecksumError, "CRC-32C does not hold"),
        (lambda pair: passed(pair, record()[:8] + b"\1" + record()[9:], memfd()), ndb.UnsupportedError, "version 1"),
        (lambda pair: passed(pair, record()[:12] + b"\xff" * 99, memfd()), ndb.LimitError, "frame header"),
    ],
)
def test_anything_but_one_record_with_one_descriptor_is_refused(change, error, message, pair):
    with pytest.raises(error, match=message):
        change(pair)


def test_every_cut_is_truncated():
    whole = record()
    for length in range(8, len(whole)):
        here, there = socket.socketpair()
        with there:
            number = memfd()
            socket.send_fds(here, [whole[:length]], [number])
            os.close(number)
            here.close()
            before = descriptors()
            with pytest.raises(ndb.TruncatedError, match=f"ends within a record, after {length} bytes"):
                ndb.shm.recv(there)
            assert descriptors() == before


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
