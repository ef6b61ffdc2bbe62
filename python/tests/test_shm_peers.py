"""`ndbytes.shm` and its peers: one made from the specification, and what others may send or try."""

import array
import fcntl
import json
import mmap
import os
import socket
import struct
import sys

import numpy as np
import pytest

import ndbytes as ndb
from checked import crc32c
from workers import descriptors

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="descriptors are passed on Linux")

A = np.arange(24, dtype=">i2").reshape(4, 6)


@pytest.fixture
def pair():
    here, there = socket.socketpair()
    here.settimeout(20)
    there.settimeout(20)
    with here, there:
        yield here, there


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
