"""Large arrays through Python's ``multiprocessing`` by descriptor, instead of pickle and pipe (Linux).

>>> import multiprocessing, numpy as np, ndbytes as ndb
>>> ndb.multiprocessing.install()
True
>>> queue = multiprocessing.SimpleQueue()
>>> queue.put(np.zeros(1 << 20))      # 8 MiB, of which the pipe sees a few hundred bytes
>>> queue.get().shape
(1048576,)
>>> ndb.multiprocessing.uninstall()

After :func:`install` whatever goes through ``Queue``, ``SimpleQueue``, ``Pipe``, ``Pool``, managers and
``concurrent.futures.ProcessPoolExecutor`` goes as it did, but for arrays of 1 MiB and more in it: they are copied to memory
that the receiver maps. ITS COPY IS ITS OWN: what it writes nobody else sees, as with pickle. It has the dtype, shape, order
and flags that it would have, but its byte order too, which pickle makes the machine's own.

ARRAYS BORN SHARED STAY SHARED: of an array of :mod:`ndbytes.shm`, and of any view of it, however small, the receiver gets the
same memory and no copy. WHAT ONE PROCESS WRITES THERE, ALL OF THEM SEE.

Which processes: those that are forked from one that has called ``install`` send in this way too. Those that are spawned, or
come from a fork server, receive as it is, and send by pickle until they call ``install`` themselves; a pool does it for
its workers with ``initializer=ndb.multiprocessing.install``. All must run on one machine, as one user: a connection
to another machine (``multiprocessing.connection`` over TCP, a remote manager) must not be sent large arrays while it is
installed.

What is sent and not received: the memory belongs to the sender until somebody has received it. A process that ends waits for
that, as it waits for what is in a queue, until its parent has ended or nothing was taken for ``linger`` seconds (the main process,
whose children have ended before it does, for one). What is not taken by then is gone: receiving it is a ``ConnectionError``.
So it is when the sender is killed. What was put into a queue that nobody reads any more, or for a worker that was killed, its
sender holds until it ends. Nothing is left of memory whose holders have ended, whatever ended them. At most
1 GiB of copies is under way from a process; what is more goes by pickle, and waits for its reader as that does. Memory
that was received and let go is used for the next array, or given back after five seconds.
"""

import functools
import os
from multiprocessing.reduction import ForkingPickler

import numpy as np

from ndbytes import _segments
from ndbytes._errors import ArgumentError

__all__ = ["install", "uninstall"]

# The reducer that was there before, and whether ours is.
_before = None
_installed = False


def install(min_nbytes: int = 1 << 20, *, linger: float = 60) -> bool:
    """Send large arrays through ``multiprocessing`` by descriptor from now on. Again: with other bounds.

    Parameters
    ----------
    min_nbytes : int, optional
        From how many bytes on. Arrays of :mod:`ndbytes.shm` always go so, and STAY SHARED.
    linger : float, optional
        For how many seconds a process waits at its end while nothing is taken of what it has sent.

    Returns
    -------
    bool
        False where it cannot be done: elsewhere than on Linux, or without ``/proc``. All goes by pickle then, as before.

    Raises
    ------
    ArgumentError
        For bounds below zero.

    Examples
    --------
    >>> import concurrent.futures, numpy as np, ndbytes as ndb
    >>> ndb.multiprocessing.install()
    True
    >>> with concurrent.futures.ProcessPoolExecutor(initializer=ndb.multiprocessing.install) as pool:
    ...     pool.submit(np.sort, np.arange(1e6)[::-1]).result()[:3]
    array([0., 1., 2.])
    >>> ndb.multiprocessing.uninstall()
    """
    global _before, _installed
    if min_nbytes < 0 or linger < 0:
        raise ArgumentError(f"min_nbytes and linger must not be negative, found {min_nbytes} and {linger}")
    if not _works():
        return False
    from ndbytes import _handover, _lender

    _lender.wait_at_end()
    _handover.least, _handover.linger = min_nbytes, linger
    if not _installed:
        _before = ForkingPickler._extra_reducers.get(np.ndarray)
        ForkingPickler.register(np.ndarray, _handover.reduce)
        ForkingPickler.dump = _handover.dump
        _installed = True
    return True


def uninstall() -> None:
    """Send arrays by pickle again. What is under way arrives.

    Raises
    ------
    Nothing.

    Examples
    --------
    >>> import ndbytes as ndb
    >>> ndb.multiprocessing.uninstall()
    """
    global _installed
    if not _installed:
        return
    ForkingPickler._extra_reducers.pop(np.ndarray, None)
    if _before is not None:
        ForkingPickler.register(np.ndarray, _before)
    del ForkingPickler.dump
    _installed = False


@functools.cache
def _works():
    """Whether memory can be opened by the number of its descriptor, and is then seen to be in use."""
    if _segments.core is None:
        return False
    from ndbytes import _lender

    try:
        segment = _lender.fresh(4096)
        taken = os.open(f"/proc/{os.getpid()}/fd/{segment.fileno()}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            known = os.path.sameopenfile(taken, segment.fileno()) and not _lender.is_unused(segment)
        finally:
            os.close(taken)
        return known and _lender.is_unused(segment)
    except OSError:
        return False
