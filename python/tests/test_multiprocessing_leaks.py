"""`ndbytes.multiprocessing`: what is left of arrays when they were received, were not, or somebody was killed."""

import multiprocessing
import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
import time
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest

import ndbytes as ndb
import workers
from workers import descriptors, resident, shared_memory, soon

if sys.platform.startswith("linux"):
    from ndbytes import _lender

pytestmark = [
    pytest.mark.unpickles,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="descriptors are passed on Linux"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

MIB = 1 << 20
BIG = np.arange(MIB, dtype="u1").reshape(512, -1)
# So much that what others do with shared memory meanwhile does not hide it.
HUGE_MIB = 192


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    # Other tests may have left something under way: to workers that they killed.
    monkeypatch.setattr(_lender, "lender", None)
    assert ndb.multiprocessing.install()
    yield
    ndb.multiprocessing.uninstall()
    assert soon(lambda: not lent()), "nothing may be under way at the end of a test"


def lent():
    return 0 if _lender.lender is None else len(_lender.lender._lent)


def through(a):
    found = pickle.loads(ForkingPickler.dumps(a))
    assert soon(lambda: not lent())
    return found


def kept():
    return [segment.fileno() for segment in _lender.this()._kept]


def huge():
    return np.full(HUGE_MIB * MIB, 1, "u1")


def gone(before):
    """Whether the shared memory is as before."""
    return soon(lambda: shared_memory() < before + HUGE_MIB * MIB // 2)


def test_memory_is_used_again_once_nobody_looks_at_it():
    first = through(BIG)
    held = [through(BIG + number) for number in range(1, 21)]
    assert np.array_equal(first, BIG), "what a receiver has is not written to again"
    assert all(np.array_equal(a, BIG + number) for number, a in enumerate(held, 1))
    numbers = kept()
    assert len(numbers) == 21
    del first, held
    for number in range(100):
        found = through(BIG + number)
        assert np.array_equal(found, BIG + number)
        del found
    assert sorted(kept()) == sorted(numbers), "a hundred arrays took no new memory"


def test_memory_that_is_not_used_is_given_back(monkeypatch):
    before = shared_memory()
    monkeypatch.setattr(_lender, "_IDLE_SECONDS", 0.2)
    through(np.ones(64 * MIB, "u1"))
    through(huge())
    assert soon(lambda: not kept())
    assert gone(before)


def test_a_pickle_is_good_once():
    data = bytes(ForkingPickler.dumps(BIG))
    assert np.array_equal(pickle.loads(data), BIG)
    assert soon(lambda: not lent())
    (number,) = kept()
    # The memory has another array now.
    another = through(BIG + 1)
    assert kept() == [number]
    with pytest.raises(ConnectionError, match="has ended or has let go of it; an array can be received once"):
        pickle.loads(data)
    assert np.array_equal(another, BIG + 1)


def test_a_pickle_that_fails_lends_nothing():
    for thing in ((BIG, lambda: 0), [BIG, BIG + 1, {"a": sys.stdout}]):
        with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
            ForkingPickler.dumps(thing)
        assert not lent()


def test_what_is_too_much_under_way_goes_by_pickle(monkeypatch):
    monkeypatch.setattr(_lender, "_UNDER_WAY", 3 * MIB)
    made = [ForkingPickler.dumps(BIG + number) for number in range(5)]
    assert [len(data) > MIB for data in made] == [False, False, False, True, True]
    found = [pickle.loads(data) for data in made]
    assert all(np.array_equal(a, BIG + number) for number, a in enumerate(found))
    assert soon(lambda: not lent())
    # One array may be larger than all that.
    data = ForkingPickler.dumps(np.zeros(8 * MIB, "u1"))
    assert len(data) < MIB and pickle.loads(data).size == 8 * MIB


def test_without_a_descriptor_left_it_is_a_pickle_but_no_shared_array_is_copied():
    shared = ndb.shm.zeros(3)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1, limits[1]))
    try:
        data = ForkingPickler.dumps(BIG)
        with pytest.raises(OSError, match="Too many open files"):
            ForkingPickler.dumps(shared)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert len(data) > MIB and np.array_equal(pickle.loads(data), BIG)


def test_without_a_thread_it_is_a_pickle_and_no_pipe_is_left(monkeypatch):
    def none(_):
        raise RuntimeError("can't start new thread")

    before = descriptors()
    with monkeypatch.context() as without:
        without.setattr(threading.Thread, "start", none)
        for _ in range(5):
            assert len(ForkingPickler.dumps(BIG)) > MIB
    assert descriptors() == before
    assert np.array_equal(through(BIG), BIG)


def test_a_handler_of_signals_may_send_while_the_first_array_is_sent():
    code = (
        "import faulthandler, pickle, signal, threading, time\n"
        "from multiprocessing.reduction import ForkingPickler\n"
        "import numpy as np, ndbytes as ndb\n"
        "from ndbytes import _lender\n"
        "faulthandler.dump_traceback_later(20, exit=True)\n"
        "ndb.multiprocessing.install()\n"
        "a, made, start = np.ones(1 << 20, 'u1'), [], threading.Thread.start\n"
        "signal.signal(signal.SIGALRM, lambda *_: made.append(ForkingPickler.dumps(a)))\n"
        "def interrupted(thread):\n"
        "    threading.Thread.start = start\n"
        "    signal.raise_signal(signal.SIGALRM)\n"
        "    start(thread)\n"
        "threading.Thread.start = interrupted\n"
        "made.append(ForkingPickler.dumps(a))\n"
        "assert all(len(data) < 1 << 20 and (pickle.loads(data) == 1).all() for data in made) and len(made) == 2\n"
        "while _lender.lender._lent or threading.active_count() > 2: time.sleep(0.01)\n"
        "print('both')\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout == "both\n", done.stderr


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_thousand_hand_overs_between_three_processes_leave_nothing(method):
    context = multiprocessing.get_context(method)
    to, first = context.Pipe()
    second, back = context.Pipe()
    process = context.Process(target=workers.pass_on, args=(first, back))
    third_to, third = context.Pipe()
    echoing = context.Process(target=workers.echo, args=(third,))
    process.start()
    echoing.start()
    third.close()
    born = ndb.shm.share(BIG)

    def rounds(count):
        for number in range(count):
            sent = BIG if number % 2 else born
            to.send(sent)
            found = second.recv()
            assert found[3, 5] == BIG[3, 5]
            third_to.send(found)
            found, by_descriptor = third_to.recv()
            assert by_descriptor == (number % 2 == 1) and found[-1, -1] == BIG[-1, -1]

    def counts():
        return [(descriptors(pid), resident(pid)) for pid in ("self", process.pid, echoing.pid)]

    rounds(20)
    before = counts()
    rounds(250)  # Four hand-overs each.
    found = counts()
    assert soon(lambda: all(now[0] <= then[0] + 2 for now, then in zip(counts(), before, strict=True))), (before, found)
    assert all(now[1] <= then[1] + 16 * MIB for now, then in zip(found, before, strict=True)), (before, found)
    to.send(None)
    third_to.send(None)
    for each in (process, echoing):
        second.recv() if each is process else None
        each.join(10)
        assert each.exitcode == 0


def test_a_killed_receiver_leaves_nothing():
    before = shared_memory()
    here, there = multiprocessing.Pipe()
    answers, answering = multiprocessing.Pipe(False)
    process = multiprocessing.Process(target=workers.hold, args=(there, answering))
    process.start()
    born = ndb.shm.empty(HUGE_MIB * MIB, "u1")
    born[:] = 1
    for a in (huge(), born):
        here.send(a)
        assert answers.recv() == 1
    del a, born
    assert shared_memory() > before + HUGE_MIB * MIB, "it holds them"
    process.kill()
    process.join()
    _lender.this()._kept.clear()
    assert gone(before)
    assert soon(lambda: not lent())


def test_a_killed_sender_leaves_nothing_and_an_error():
    before = shared_memory()
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=workers.send_and_sleep, args=(there, huge()))
    process.start()
    assert here.poll(30)
    time.sleep(0.1)
    process.kill()
    process.join()
    with pytest.raises(ConnectionError, match=f"process {process.pid}, which sent this array, has ended"):
        here.recv()
    assert gone(before)


def test_an_array_outlives_its_sender():
    before = shared_memory()
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=workers.send_and_sleep, args=(there, huge()))
    process.start()
    found = here.recv()
    process.kill()
    process.join()
    assert (found == 1).all()
    del found
    assert gone(before)


def test_what_is_never_received_is_gone_with_its_sender():
    """The parent drops the queue: the child waits no longer than it was told to."""
    before = shared_memory()
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=send_and_end, args=(there, 0.5))
    started = time.monotonic()
    process.start()
    assert here.poll(30)
    here.close()
    there.close()
    process.join(30)
    assert process.exitcode == 0 and 0.5 < time.monotonic() - started < 15
    assert gone(before)


def send_and_end(there, linger):
    ndb.multiprocessing.install(linger=linger)
    there.send(huge())


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_process_that_ends_before_it_has_sent_waits_as_well(method):
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    # A forked one has what its parent has installed.
    process = context.Process(target=workers.produce_late, args=(queue, method != "fork"))
    process.start()
    assert queue._reader.poll(30)
    time.sleep(0.3)
    assert process.is_alive()
    _, a = queue.get()
    assert (a == 1).all() and workers.came_by_descriptor(a)
    process.join(10)
    assert process.exitcode == 0


def test_a_process_whose_parent_has_ended_does_not_wait():
    code = (
        "import multiprocessing, os, numpy as np, ndbytes as ndb\n"
        "def child(queue):\n"
        "    ndb.multiprocessing.install(linger=1000)\n"
        "    queue.put(np.ones(1 << 20))\n"
        "    print(os.getpid(), flush=True)\n"
        "queue = multiprocessing.get_context('fork').SimpleQueue()\n"
        "process = multiprocessing.get_context('fork').Process(target=child, args=(queue,))\n"
        "process.start()\n"
        "while queue.empty(): pass\n"
        "import time; time.sleep(0.3)\n"
        "os._exit(0)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    child = int(done.stdout)
    if not soon(lambda: not os.path.exists(f"/proc/{child}")):
        os.kill(child, signal.SIGKILL)
        pytest.fail("the child waited")


def test_a_fork_shares_nothing_that_is_to_be_written():
    """Parent and child both send, with memory that was kept before the fork."""
    held = [through(BIG) for _ in range(3)]
    del held
    assert len(kept()) == 3
    ours = ForkingPickler.dumps(BIG + 1)
    here, there = multiprocessing.Pipe(False)
    process = multiprocessing.get_context("fork").Process(target=send_each, args=(there, BIG + 2))
    process.start()
    there.close()
    mine = ForkingPickler.dumps(BIG + 3)
    for _ in range(3):
        assert np.array_equal(here.recv(), BIG + 2)
    assert np.array_equal(pickle.loads(ours), BIG + 1) and np.array_equal(pickle.loads(mine), BIG + 3)
    process.join(10)
    assert process.exitcode == 0


def send_each(there, a):
    assert _lender.lender is None
    for _ in range(3):
        there.send(a)
