"""Memory that this process has lent to others: what is under way to them, and what can be used again.

A receiver opens the descriptor of this process by its number, in ``/proc``: there is no connection, no name, and nobody who
serves. It says on a pipe of this process, opened in the same way, that it has it. Whether receivers still look at memory
that they have taken the system knows, however they end: it grants a lease of a file that nobody else has open.
"""

import collections
import contextlib
import fcntl
import itertools
import multiprocessing
import os
import select
import signal
import sys
import threading
import time
from multiprocessing import util

from ndbytes import _segments

#: Bytes of memory that is kept for the next arrays, and how many pieces of it.
_KEPT, _PIECES = 256 << 20, 64
#: For so long, if nothing comes.
_IDLE_SECONDS = 5
#: Bytes of copies under way at once, unless it is one; what is more waits in the pipe, as Python does it.
_UNDER_WAY = 1 << 30
#: How long the main process waits at its end: its children have ended then, and have what they will take.
_MAIN_SECONDS = 1
# Bytes of the word behind a copy.
_WORD = 8

#: How a receiver finds this process and the pipe: its number, the descriptor, the pipe's number in the system, which of all.
Ticket = collections.namedtuple("Ticket", "process descriptor inode number")


class Lender:
    def __init__(self):
        self._lock = threading.RLock()
        self._gone = threading.Condition(self._lock)
        # By number: the memory, and how many bytes of a copy it has.
        self._lent = {}
        self._copies = 0
        self._kept = []
        self._numbers = itertools.count(1)
        self._reader, self._writer = os.pipe()
        self._inode = os.fstat(self._writer).st_ino
        self._linger = 0
        self._process = os.getpid()
        try:
            threading.Thread(target=self._listen, name="ndbytes lender", daemon=True).start()
        except (RuntimeError, MemoryError):  # No thread is to be had.
            self.close()
            raise

    def end(self):
        """Has its thread let go of everything; it has lent nothing."""
        os.close(self._writer)

    def close(self):
        """Lets go of everything where no thread listens: in a child, which has what the parent had."""
        os.close(self._reader)
        os.close(self._writer)
        self._lent, self._kept = {}, []

    def lend(self, segment, copied=0, linger=60):
        """Holds memory until a receiver has it."""
        with self._lock:
            number = next(self._numbers)
            self._lent[number] = segment, copied
            self._copies += copied
            self._linger = linger
        return Ticket(self._process, self._writer, self._inode, number)

    def has_room(self, size):
        """Whether a copy of so many bytes may be under way too."""
        return not self._copies or self._copies + size <= _UNDER_WAY

    def back(self, number, again=True):
        """It was taken; or, if it is not to be used again, it will never be."""
        with self._lock:
            segment, copied = self._lent.pop(number, (None, 0))
            self._copies -= copied
            if copied and again:
                self._keep(segment)
            self._gone.notify_all()

    def _keep(self, segment):
        self._kept.append(segment)
        while len(self._kept) > _PIECES or sum(map(len, self._kept)) > _KEPT:
            del self._kept[0]

    def memory(self, size):
        """Memory for so many bytes that nobody else looks at, and a word that only this content has."""
        word = os.urandom(_WORD)
        with self._lock:
            for segment in sorted(self._kept, key=len):
                if size + _WORD <= len(segment) <= 2 * size + (1 << 20):
                    # In this order: who comes late with an old word either finds the new one, or is seen.
                    os.pwrite(segment.fileno(), word, len(segment) - _WORD)
                    if is_unused(segment):
                        self._kept.remove(segment)
                        return segment, word
        segment = fresh(_rounded(size + _WORD))
        os.pwrite(segment.fileno(), word, len(segment) - _WORD)
        return segment, word

    def _listen(self):
        # Signals are for the main thread, whose waits they end.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        while True:
            if not poll.poll(_IDLE_SECONDS * 1000 if self._kept else None):
                with self._lock:
                    self._kept.clear()
                continue
            told = os.read(self._reader, 4096)
            if not told:  # The end.
                return os.close(self._reader)
            for number in memoryview(told).cast("Q"):
                self.back(number)

    def wait(self):
        """Until others have what was sent to them, or it seems that nobody will take it."""
        parent = multiprocessing.parent_process()
        with self._lock:
            most = self._linger if parent else min(self._linger, _MAIN_SECONDS)
            left, end = len(self._lent), time.monotonic() + most
            while self._lent and time.monotonic() < end and (parent is None or parent.is_alive()):
                self._gone.wait(0.05)
                if len(self._lent) < left:
                    left, end = len(self._lent), time.monotonic() + most


def _rounded(size):
    """A little more, so that arrays of about the same size take the same memory; what is not touched costs nothing."""
    step = max(4096, 1 << max(0, size.bit_length() - 4))
    return -(-size // step) * step


def fresh(size):
    """New memory under a descriptor that was opened, so that the system counts it."""
    made = _segments.core.Segment(size)
    descriptor = os.open(f"/proc/self/fd/{made.fileno()}", os.O_RDWR | os.O_CLOEXEC)
    try:
        # The signal by which the system asks for a lease back: one that nobody minds.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        return _segments.core.Segment.of(descriptor, True)
    finally:
        os.close(descriptor)


def is_unused(segment):
    """Whether nobody else has the memory open or mapped."""
    try:
        fcntl.fcntl(segment.fileno(), fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except OSError:
        return False
    fcntl.fcntl(segment.fileno(), fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return True


def take(ticket, descriptor, inode, writable=False):
    """A descriptor of memory that another process has lent."""
    flags = (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    try:
        taken = os.open(f"/proc/{ticket.process}/fd/{descriptor}", flags)
    except OSError as error:
        raise gone(ticket) from error
    if os.fstat(taken).st_ino != inode:
        os.close(taken)
        raise gone(ticket)
    return taken


def gone(ticket):
    return ConnectionError(
        f"process {ticket.process}, which sent this array, has ended or has let go of it; an array can be received once, "
        "on the machine where it was sent"
    )


def tell(ticket):
    """Says that it was taken."""
    # Where the process has ended, nobody needs to know.
    with contextlib.suppress(OSError):
        pipe = os.open(f"/proc/{ticket.process}/fd/{ticket.descriptor}", os.O_WRONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            if os.fstat(pipe).st_ino == ticket.inode:
                os.set_blocking(pipe, True)
                os.write(pipe, ticket.number.to_bytes(8, sys.byteorder))
        finally:
            os.close(pipe)


#: That of this process, once it has lent something.
lender = None
# A signal's handler, or a finalizer, may come here while its own thread is here.
_making = threading.RLock()


def this():
    """The lender of this process."""
    global lender
    if (found := lender) is not None:
        return found
    with _making:
        if lender is None:
            wait_at_end()
            made = Lender()
            # One of those may have made one meanwhile, and lent something.
            if lender is None:
                lender = made
            else:
                made.end()
        return lender


def wait_at_end():
    """Sees to it that this process waits at its end. Before it lends anything: what is to be done at the end is decided there
    before a queue's feeder pickles the last of what is in it."""
    global _waiting
    if _waiting != os.getpid():
        _waiting = os.getpid()
        # Behind those feeders, which have -5.
        util.Finalize(None, _end, exitpriority=-10)


# The process that will.
_waiting = None
# Children that are forked lend as well; what was to be done at the end of the parent is not theirs.
util.register_after_fork(Lender, lambda _: wait_at_end())


def _end():
    if lender is not None:
        lender.wait()


def _forked():
    """A child has lent nothing."""
    global lender, _making
    parents, lender, _making = lender, None, threading.RLock()
    if parents is not None:
        parents.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
