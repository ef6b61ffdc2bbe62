"""What is pickled of an array that goes to another process by descriptor, and what that makes of it."""

import contextlib
import os
import pickle
import threading

import numpy as np

from ndbytes import _lender, _segments
from ndbytes._errors import Error

#: From how many bytes on arrays go by descriptor; how long a process waits at its end for what was not taken.
least = 1 << 20
linger = 60

# What the pickle that is being made has lent, by thread.
_making = threading.local()


def dump(pickler, obj):
    """``ForkingPickler.dump`` that takes back what was lent when the pickle fails, which then goes nowhere."""
    before, _making.numbers = getattr(_making, "numbers", None), []
    try:
        return pickle.Pickler.dump(pickler, obj)
    except BaseException:
        for number in _making.numbers:
            _lender.this().back(number, again=False)
        raise
    finally:
        _making.numbers = before


def reduce(a):
    """The reducer of ``ndarray``."""
    if a.dtype.hasobject:
        return _plain(a)
    segment = _segments.find(a)
    if segment is not None:
        # Whatever stands in the way is an error: a copy would not be what it is.
        return _shared(segment, a)
    if a.nbytes and a.nbytes >= least:
        # No descriptor, memory or thread left: there is the usual way.
        with contextlib.suppress(OSError, MemoryError, RuntimeError, Error):
            return _copy(a) or _plain(a)
    return _plain(a)


def _plain(a):
    return a.__reduce_ex__(pickle.DEFAULT_PROTOCOL)


def _shared(segment, a):
    writable = a.flags.writeable and not segment.readonly
    ticket = _lent(segment)
    source = segment.fileno(), os.fstat(segment.fileno()).st_ino, len(segment), writable
    return shared, (tuple(ticket), source, a.dtype, _segments.place(segment, a))


def _copy(a):
    lender = _lender.this()
    if not lender.has_room(a.nbytes):
        return None
    order = "F" if a.flags.f_contiguous and not a.flags.c_contiguous else "C"
    # What pickle makes of an array that cannot be written to.
    writeable = a.flags.writeable or pickle.DEFAULT_PROTOCOL < 5
    segment, word = lender.memory(a.nbytes)
    segment.fill(a, order)
    ticket = _lent(segment, a.nbytes)
    source = segment.fileno(), os.fstat(segment.fileno()).st_ino, len(segment), word
    return copied, (tuple(ticket), source, a.dtype, a.shape, order, writeable)


def _lent(segment, copied=0):
    ticket = _lender.this().lend(segment, copied, linger)
    numbers = getattr(_making, "numbers", None)
    if numbers is not None:
        numbers.append(ticket.number)
    return ticket


def shared(ticket, source, dtype, place):
    """The array itself, in memory that its sender has too."""
    ticket, (descriptor, inode, size, writable) = _lender.Ticket(*ticket), source
    segment = _segments.held(inode, writable)
    if segment is None:
        taken = _lender.take(ticket, descriptor, inode, writable)
        try:
            segment = _segments.mapped(taken, writable)
        finally:
            os.close(taken)
    _lender.tell(ticket)
    _segments.check_size(segment, size)
    array = _segments.over(segment, dtype, place)
    array.flags.writeable = writable
    return array


def copied(ticket, source, dtype, shape, order, writeable):
    """A copy of an array, of which nobody else sees changes."""
    ticket, (descriptor, inode, size, word) = _lender.Ticket(*ticket), source
    taken = _lender.take(ticket, descriptor, inode)
    try:
        if os.pread(taken, len(word), size - len(word)) != word:
            raise _lender.gone(ticket)
        memory = _segments.core.Segment.private(taken)
    finally:
        os.close(taken)
    _lender.tell(ticket)
    array = np.ndarray(shape, dtype, memory, order=order)
    array.flags.writeable = writeable
    return array
