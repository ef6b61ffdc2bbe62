"""What the processes of `test_multiprocessing.py` and `test_shm.py` do, and how their holdings are counted."""

import dataclasses
import os
import time
from pathlib import Path

import numpy as np

import ndbytes as ndb


@dataclasses.dataclass
class Holder:
    name: str
    array: np.ndarray
    more: list = dataclasses.field(default_factory=list)


def came_by_descriptor(a):
    return type(a.base).__name__ == "Region"


def double(a):
    return a * 2, came_by_descriptor(a)


def add(a, b):
    return a + b


def changed(holder):
    """Writes to what it was given, and gives it back."""
    holder.array += 1
    holder.more[0]["deep"] += 1
    return holder


def fail(a):
    raise ValueError("as it should", a)


def end(a):
    os._exit(3)


def produce(queue, first, count):
    ndb.multiprocessing.install()
    for number in range(first, first + count):
        queue.put((number, np.full(1 << 18, number, "f8")))


class Slow:
    """Takes its time to be pickled."""

    def __reduce__(self):
        time.sleep(0.3)
        return Slow, ()


def produce_late(queue, install):
    """Ends before the queue's feeder has come to the array."""
    if install:
        ndb.multiprocessing.install()
    queue.put((Slow(), np.ones(1 << 18)))


def echo(there):
    """Sends back what comes, and whether it came by descriptor, until None does."""
    while (a := there.recv()) is not None:
        there.send((a, came_by_descriptor(a)))


def put_into(here, there):
    """Writes to what comes, and says so."""
    while (a := here.recv()) is not None:
        a[...] = 5
        there.send("done")
        del a


def pass_on(here, there):
    """Between two others."""
    ndb.multiprocessing.install()
    while (a := here.recv()) is not None:
        there.send(a)
        del a
    there.send((descriptors(), resident()))


def hold(here, there):
    """Keeps what comes until it is killed."""
    held = []
    while True:
        held.append(here.recv())
        there.send(float(held[-1].flat[0]))


def send_and_sleep(there, a):
    ndb.multiprocessing.install()
    there.send(a)
    time.sleep(100)


def descriptors(process="self"):
    return len(os.listdir(f"/proc/{process}/fd"))


def resident(process="self"):
    """Bytes of memory that a process has."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmRSS:"))
    return int(line.split()[1]) << 10


def shared_memory():
    """Bytes of shared memory in the whole system."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("Shmem:"))
    return int(line.split()[1]) << 10


def soon(holds, seconds=10):
    """Whether it comes to hold."""
    deadline = time.monotonic() + seconds
    while not (found := holds()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return found
