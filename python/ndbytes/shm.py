"""Arrays in memory that processes share (Linux).

WHO HAS SUCH AN ARRAY SHARES IT: what one process writes, all of them see, at once and without a lock. Nothing is copied
when it is handed over, however large it is.

The memory has no name and its size is sealed, so nobody can cut it. It lives as long as any array of any process looks
at it, and goes with the last one, however that process ends.

>>> import socket, numpy as np, ndbytes as ndb
>>> here, there = socket.socketpair()           # or a Unix socket to another process
>>> a = ndb.shm.zeros((2, 3), "i4")
>>> ndb.shm.send(here, a)
>>> b = ndb.shm.recv(there)
>>> b[0, 0] = 7
>>> a
array([[7, 0, 0],
       [0, 0, 0]], dtype=int32)
>>> here.close(); there.close()

Elsewhere than on Linux ``empty`` and its like give ordinary arrays, and ``send`` sends their items.
"""

import array
import os
import select
import socket
import sys
import time

import numpy as np

from ndbytes import _core, _segments
from ndbytes._errors import ArgumentError, ArgumentTypeError, FormatError, TruncatedError, UnsupportedError

__all__ = ["empty", "is_shared", "recv", "send", "share", "zeros"]

_core_shm = _segments.core
# Room for so many descriptors: more than one is an error, and those that there is no room for the system closes.
_ROOM = 4


def zeros(shape, dtype=float, order="C") -> np.ndarray:
    """A new array of zeros in memory that can be shared. WHO HAS IT SHARES IT: what one writes, all see.

    Parameters
    ----------
    shape : int or tuple of int
        The length of each axis.
    dtype : dtype, optional
        Anything without Python objects; default ``float64``.
    order : {'C', 'F'}, optional
        Which axis is the fastest: the last or the first.

    Returns
    -------
    ndarray
        An ordinary array, and so are its views, which share the memory too. Without items it has no memory to share.

    Raises
    ------
    UnsupportedError
        For objects and StringDType.
    ArgumentError
        For another order.
    OSError
        Where the system has no memory or descriptor left: each array takes one.

    Examples
    --------
    >>> import ndbytes as ndb
    >>> a = ndb.shm.zeros((2, 2), "u1")
    >>> a[0], ndb.shm.is_shared(a[0])
    (array([0, 0], dtype=uint8), True)
    """
    dtype = np.dtype(dtype)
    if dtype.hasobject:
        raise UnsupportedError(f"dtype {dtype} holds Python objects, which belong to one process; convert it to numbers, text or bytes")
    if order not in ("C", "F"):
        raise ArgumentError(f"order must be 'C' or 'F', found {order!r}")
    # NumPy says what is wrong with a shape; nothing of it is touched.
    like = np.empty(shape, dtype, order)
    if _core_shm is None or like.nbytes == 0:
        return np.zeros(shape, dtype, order)
    return np.ndarray(shape, dtype, _segments.made(like.nbytes), order=order)


def empty(shape, dtype=float, order="C") -> np.ndarray:
    """A new array in memory that can be shared: :func:`zeros`, which takes no longer.

    WHO HAS IT SHARES IT: what one process writes, all of them see.

    Parameters
    ----------
    shape : int or tuple of int
        The length of each axis.
    dtype : dtype, optional
        Anything without Python objects; default ``float64``.
    order : {'C', 'F'}, optional
        Which axis is the fastest: the last or the first.

    Returns
    -------
    ndarray
        An ordinary array, of zeros.

    Raises
    ------
    UnsupportedError, ArgumentError, OSError
        As :func:`zeros`.

    Examples
    --------
    >>> import ndbytes as ndb
    >>> ndb.shm.empty((480, 640, 3), "u1").shape
    (480, 640, 3)
    """
    return zeros(shape, dtype, order)


def share(a) -> np.ndarray:
    """A copy of an array in memory that can be shared. WHO HAS IT SHARES IT: what one process writes, all of them see.

    Parameters
    ----------
    a : array
        Any array without Python objects, at any strides.

    Returns
    -------
    ndarray
        In F order where ``a`` is Fortran- and not C-contiguous, else in C order.

    Raises
    ------
    UnsupportedError
        For objects, StringDType and masked arrays.
    OSError
        As :func:`zeros`.

    Examples
    --------
    >>> import numpy as np, ndbytes as ndb
    >>> a = np.arange(3)
    >>> b = ndb.shm.share(a)
    >>> ndb.shm.is_shared(a), ndb.shm.is_shared(b), (a == b).all()
    (False, True, np.True_)
    """
    masked = sys.modules.get("numpy.ma")
    if masked is not None and isinstance(a, masked.MaskedArray):
        raise UnsupportedError("a masked array would lose its mask; share a.filled(value), or a.data and np.ma.getmaskarray(a) side by side")
    a = np.asarray(a)
    order = "F" if a.flags.f_contiguous and not a.flags.c_contiguous else "C"
    copy = empty(a.shape, a.dtype, order)
    segment = _segments.find(copy)
    if segment is None:
        copy[...] = a
    else:
        segment.fill(a, order)
    return copy


def is_shared(a: np.ndarray) -> bool:
    """Whether an array lies in memory that this module made or received, so that who is sent it shares it.

    Parameters
    ----------
    a : array
        Any array; a view of a shared one is shared.

    Returns
    -------
    bool

    Raises
    ------
    ArgumentTypeError
        For what is no array.

    Examples
    --------
    >>> import numpy as np, ndbytes as ndb
    >>> a = ndb.shm.empty(6)
    >>> ndb.shm.is_shared(a[::-2]), ndb.shm.is_shared(a + 1)
    (True, False)
    """
    if not isinstance(a, np.ndarray):
        raise ArgumentTypeError(f"expected an array, found {type(a).__name__}")
    return _segments.find(a) is not None


def send(sock, a) -> None:
    """Hand an array over: by its descriptor where it is shared and the socket can do that, else by its items.

    Parameters
    ----------
    sock : socket
        A connected Unix stream socket; over any other the items are sent, as :func:`ndbytes.send` does.
    a : array
        A shared array, or a view of one at any strides: THE RECEIVER SHARES IT from now on. It may write to it if ``a`` is
        writeable. Of any other array the receiver gets a copy.

    Raises
    ------
    ArgumentError
        For a non-blocking socket, and for what is no array.
    UnsupportedError
        For a dtype that the core cannot spell, and for objects.
    TimeoutError, ConnectionError, OSError
        From the connection.

    Examples
    --------
    >>> import socket, ndbytes as ndb
    >>> here, there = socket.socketpair()
    >>> ndb.shm.send(here, ndb.shm.zeros(3)[::-1])
    >>> ndb.shm.recv(there)
    array([0., 0., 0.])
    >>> here.close(); there.close()
    """
    segment = _segments.find(a) if _passes(sock) else None
    if segment is None:
        return _core.send(sock, a)
    record = _core_shm.encode(a.dtype, _segments.place(segment, a), len(segment), a.flags.writeable and not segment.readonly)
    descriptor = array.array("i", [segment.fileno()])
    sent = sock.sendmsg([record], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptor)])
    if sent < len(record):
        sock.sendall(record[sent:])


def recv(sock, *, readonly: bool = False, limits: _core.Limits | None = None) -> np.ndarray:
    """The next array that :func:`send` has sent.

    Parameters
    ----------
    sock : socket
        The other end.
    readonly : bool, optional
        True: a shared array is mapped so that this process cannot write to it. The others still can.
    limits : Limits, optional
        Default ``Limits.stream()``.

    Returns
    -------
    ndarray
        A SHARED ONE, which changes when another process writes to it, if it came by descriptor (:func:`is_shared`); else a
        copy.

    Raises
    ------
    EOFError
        If the sender has closed the connection.
    FormatError, TruncatedError, ChecksumError, UnsupportedError, LimitError
        For anything else than an array, for a cut, and for memory that is not sealed, so that the sender could cut it.
    ArgumentError
        For a non-blocking socket.
    TimeoutError, ConnectionError, OSError
        From the connection.

    Examples
    --------
    >>> import socket, ndbytes as ndb
    >>> here, there = socket.socketpair()
    >>> ndb.shm.send(here, ndb.shm.zeros(3))
    >>> ndb.shm.recv(there, readonly=True).flags.writeable
    False
    >>> here.close(); there.close()
    """
    if not _passes(sock) or not _is_record(sock):
        array = _core.recv(sock, limits=limits)
        array.flags.writeable = array.flags.writeable and not readonly
        return array
    space = socket.CMSG_SPACE(_ROOM * 4)
    front, ancillary, _, _ = sock.recvmsg(_core_shm.FRONT, space, socket.MSG_CMSG_CLOEXEC)
    descriptors = _descriptors(ancillary)
    try:
        record = _exactly(sock, front, _core_shm.FRONT)
        record = _exactly(sock, record, _core_shm.length(record, limits))
        dtype, place, size, writable = _core_shm.decode(record, limits)
        if len(descriptors) != 1:
            raise FormatError(f"a record came with {len(descriptors)} descriptors; it has exactly one")
        segment = _segments.mapped(descriptors[0], writable and not readonly, limits)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    _segments.check_size(segment, size)
    return _segments.over(segment, dtype, place)


def _passes(sock):
    """Whether descriptors can be passed over the socket."""
    if _core_shm is None or getattr(sock, "family", None) != socket.AF_UNIX or not hasattr(sock, "sendmsg"):
        return False
    if sock.gettimeout() == 0:
        raise ArgumentError("the socket is non-blocking: nothing could be waited for; use settimeout, or asyncio with Decoder and buffers")
    return True


def _is_record(sock):
    """Whether what comes next is a record, and no frame or end. Nothing is taken out of the socket."""
    magic, timeout, started = _core_shm.MAGIC, sock.gettimeout(), time.monotonic()
    while True:
        front = sock.recv(len(magic), socket.MSG_PEEK)
        if len(front) == len(magic) or not front or not magic.startswith(front):
            return front == magic
        # Bytes that come one by one, or an end behind a part of them, which reading finds.
        if timeout is not None and time.monotonic() - started > timeout or _has_ended(sock):
            return True
        time.sleep(0.001)


def _has_ended(sock):
    poll = select.poll()
    poll.register(sock, select.POLLRDHUP)
    return bool(poll.poll(0))


def _exactly(sock, come, count):
    """So many bytes, of which some have come."""
    while len(come) < count:
        more = sock.recv(count - len(come))
        if not more:
            raise TruncatedError(f"the stream ends within a record, after {len(come)} bytes")
        come += more
    return come


def _descriptors(ancillary):
    found = array.array("i")
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            found.frombytes(data[: len(data) - len(data) % found.itemsize])
    return found.tolist()
