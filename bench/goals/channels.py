"""Channels between two processes on loopback, checksums on, into memory that is used again; and arrays that are handed over."""

from __future__ import annotations

import multiprocessing as mp
import subprocess
import sys
import time

import ndbytes as ndb
import numpy as np

from ..figures import GiB, KiB, MiB, size_label
from ..run import Run
from . import frames
from .goal import Goal, keep, row, told
from .net import HAND, ZMQ, beside

OURS, UNIX, AIO = "channel.send, recv(out) reused", "the same over unix:", "the same by ndb.aio"
FLIGHT = "Flight do_exchange"
GROUP = "channels"
GOALS = [
    Goal("1 KiB there and back", OURS, HAND, 1.3, dict, unit="x its time", nbytes=1 * KiB),
    *(goal for nbytes in (64 * MiB, 1 * GiB) for goal in (
        Goal(f"{size_label(nbytes)} beside a hand-written loop", OURS, HAND, 0.95, dict, nbytes=nbytes, big=nbytes >= GiB),
        Goal(f"{size_label(nbytes)} beside pyzmq", OURS, ZMQ, 2, dict, nbytes=nbytes, big=nbytes >= GiB),
        Goal(f"{size_label(nbytes)} beside Arrow Flight", OURS, FLIGHT, 3, dict, nbytes=nbytes, big=nbytes >= GiB),
        Goal(f"{size_label(nbytes)} over a Unix socket beside TCP", UNIX, OURS, 1, dict, nbytes=nbytes, big=nbytes >= GiB),
        Goal(f"{size_label(nbytes)} by asyncio beside blocking", AIO, OURS, 0.8, dict, nbytes=nbytes, big=nbytes >= GiB),
    )),
]


def section(run: Run):
    beside(run, GROUP, GOALS, [OURS, UNIX, AIO, HAND, ZMQ, FLIGHT])
    for found in run.record.goals:
        print("  " + told(found), flush=True)
    handed_over(run)
    queues(run)
    frames.section(run)


TAKER = """
import sys, ndbytes as ndb
with ndb.listen(sys.argv[1]) as listener:
    print("up", flush=True)
    peer = listener.accept()
    for message in peer:
        peer.send(message.array[:1].copy())
"""


def handed_over(run: Run):
    """1 GiB that was born shared, there, and one item of it back."""
    goal = Goal("1 GiB born shared, handed over and answered", "channel.send over unix:", "", 1000, dict, unit="µs", nbytes=GiB)
    url = f"unix:{run.work}/handed-over"
    try:
        with subprocess.Popen([sys.executable, "-c", TAKER, url], stdout=subprocess.PIPE, text=True) as taker:
            assert taker.stdout.readline() == "up\n"
            array, times = ndb.shm.zeros(GiB // 8), []
            with ndb.connect(url) as channel:
                for at in range(50):
                    array[0] = at
                    start = time.perf_counter()
                    channel.send(array)
                    back = channel.recv().array
                    times.append(time.perf_counter() - start)
                    if back[0] != at:
                        raise ValueError("another item came back")
        keep(run, GROUP, goal, {"ours": times[5:]})
    except Exception as error:
        run.record.goals.append(row(GROUP, goal) | {"why": f"{type(error).__name__}: {error}"[:200]})
    print("  " + told(run.record.goals[-1]), flush=True)


def summed(asked, answers):
    while (array := asked.get()) is not None:
        answers.put(float(array[-1]))
        del array


def passing(array, number: int) -> list[float]:
    """Seconds of an array through a queue to another process, and its last item back."""
    context = mp.get_context("fork")
    asked, answers = context.Queue(), context.Queue()
    process = context.Process(target=summed, args=(asked, answers))
    process.start()
    times = []
    for _ in range(number + 1):
        start = time.perf_counter()
        asked.put(array)
        back = answers.get(timeout=300)
        times.append(time.perf_counter() - start)
        if back != array[-1]:
            raise ValueError("another item came back")
    asked.put(None)
    process.join()
    return times[1:]


def queues(run: Run):
    for nbytes, wanted, make in ((64 * MiB, 4, np.ones), (1 * GiB, 1000, ndb.shm.zeros)):
        name = f"multiprocessing.Queue, {size_label(nbytes)}{' born shared' if make is not np.ones else ''}"
        goal = Goal(name, "after ndb.multiprocessing.install()", "pickle", wanted, dict, nbytes=nbytes, big=nbytes >= GiB)
        if run.quick and goal.big:
            run.record.goals.append(row(GROUP, goal) | {"why": "not in a quick run"})
            continue
        try:
            array = make(nbytes // 8)
            array[-1] = 7
            number = 2 if nbytes >= GiB else 7
            peer = passing(array, number)
            ndb.multiprocessing.install()
            ours = passing(array, number)
            keep(run, GROUP, goal, {"ours": ours, "peer": peer})
        except Exception as error:
            run.record.goals.append(row(GROUP, goal) | {"why": f"{type(error).__name__}: {error}"[:200]})
        finally:
            ndb.multiprocessing.uninstall()
        print("  " + told(run.record.goals[-1]), flush=True)
