"""Arrays over memory that processes share, and finding that memory again."""

import bisect
import os
import weakref

import numpy as np

from ndbytes import _core
from ndbytes._errors import FormatError

#: What is compiled of it; None where there is no such memory.
core = getattr(_core, "shm", None)

# Where the memory that is mapped here begins, in order, and which it is.
_starts = []
_at = {}
# The same by its number in the system, and whether it can be written to.
_numbered = {}


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
    start, number = segment.address, (os.fstat(segment.fileno()).st_ino, not segment.readonly)

    def forget(gone):
        if _at.get(start) is gone:
            _starts.remove(start)
            del _at[start]
        if _numbered.get(number) is gone:
            del _numbered[number]

    is_new = start not in _at
    _at[start] = _numbered[number] = weakref.ref(segment, forget)
    if is_new:
        bisect.insort(_starts, start)
    return segment


def find(a):
    """The shared memory that an array lies in, however it was made of it; or None."""
    if core is None or not _starts or not isinstance(a, np.ndarray) or a.dtype.hasobject or not a.nbytes:
        return None
    start, size = core.reach(a.view(np.ndarray))
    before = bisect.bisect_right(_starts, start)
    if not before:
        return None
    segment = _at[_starts[before - 1]]()
    if segment is None or start + size > segment.address + len(segment):
        return None
    return segment


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
