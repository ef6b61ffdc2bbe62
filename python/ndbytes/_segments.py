"""Arrays over memory that processes share, and finding that memory again."""

import bisect
import collections
import os
import threading
import weakref

import numpy as np

from ndbytes import _core
from ndbytes._errors import FormatError

#: What is compiled of it; None where there is no such memory.
core = getattr(_core, "shm", None)

# Where the memory that is mapped here begins, and which it is; the same in order, in a list that is never changed, so that
# whoever looks into it needs no lock.
_at = {}
_starts = []
# The same by its number in the system, and whether it can be written to.
_numbered = {}
# What is to be forgotten. Memory goes when the last one lets go of it, which can be in the middle of anything.
_gone = collections.deque()
# Of who changes these. A finalizer may do so while its own thread does: then this is another object.
_changing = threading.RLock()
_change = None


def _begin_anew():
    global _changing
    _changing = threading.RLock()


if hasattr(os, "register_at_fork"):
    # The thread that held it is not in the child.
    os.register_at_fork(after_in_child=_begin_anew)


def made(size):
    """New memory of so many bytes."""
    return _known(core.Segment(size))


def mapped(descriptor, writable, limits=None):
    """The memory behind a descriptor, which stays the caller's."""
    found = held(os.fstat(descriptor).st_ino, writable)
    return _known(core.Segment.of(descriptor, writable, limits)) if found is None else found


def adopted(segment, dtype, place):
    """The array in memory that another process has handed over: where it is mapped here already, in that map."""
    found = held(os.fstat(segment.fileno()).st_ino, not segment.readonly)
    return over(_known(segment) if found is None else found, dtype, place)


def held(inode, writable):
    """The memory of this number, where it is mapped here."""
    found = _numbered.get((inode, writable))
    return None if found is None else found()


def _known(segment):
    """It, or what another thread has mapped of it meanwhile."""
    start, number = segment.address, (os.fstat(segment.fileno()).st_ino, not segment.readonly)
    with _changing:
        there = held(*number)
        if there is not None:
            return there
        _forget()
        _at[start] = _numbered[number] = weakref.ref(segment, lambda gone: _gone.append((start, number, gone)))
        _sort()
    return segment


def _forget():
    while True:
        try:
            start, number, gone = _gone.popleft()
        except IndexError:
            return
        for known, key in (_at, start), (_numbered, number):
            # Its place or number may have another one by now.
            if known.get(key) is gone:
                taken = known.pop(key, None)
                if taken is not None and taken is not gone:
                    known.setdefault(key, taken)  # A finalizer's, of this very moment.


def _sort():
    global _starts, _change
    mine = None
    # Again if a finalizer has made or mapped some in between.
    while _change is not mine or mine is None:
        mine = _change = object()
        _starts = sorted(_at)


def find(a):
    """The shared memory that an array lies in, however it was made of it; or None."""
    if _gone and _changing.acquire(blocking=False):
        try:
            _forget()
            _sort()
        finally:
            _changing.release()
    starts = _starts
    if core is None or not starts or not isinstance(a, np.ndarray) or a.dtype.hasobject or not a.nbytes:
        return None
    start, size = core.reach(a.view(np.ndarray))
    # What is gone, and not forgotten yet, may have lain where others are now.
    for before in range(bisect.bisect_right(starts, start) - 1, -1, -1):
        here = _at.get(starts[before])
        segment = here() if here else None
        if segment is not None:
            return segment if start + size <= segment.address + len(segment) else None
    return None


def place(segment, a):
    """Where its items lie in that memory: offset, shape, strides."""
    return a.__array_interface__["data"][0] - segment.address, a.shape, a.strides


def over(memory, dtype, place):
    """The array of items that lie so in memory."""
    offset, shape, strides = place
    if 0 in shape or np.dtype(dtype).itemsize == 0:
        return np.ndarray(shape, dtype)
    return np.ndarray(shape, dtype, memory, offset, strides)


def check_size(segment, size):
    if len(segment) != size:
        raise FormatError(f"memory of {size} bytes was announced, the descriptor's has {len(segment)}")
