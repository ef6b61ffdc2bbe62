"""S: seconds per GiB from 1 MiB to 4 GiB; what is linear takes as long per byte at any size."""

from __future__ import annotations

import functools
import os
import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import ndbytes as ndb
import numpy as np

from .files import np_save
from .figures import GiB, MiB, repeats, size_label
from .goals.goal import Goal, row
from .goals.net import HAND, OURS
from .measure import calls
from .net import connected
from .run import Run

FILE = "linear.npy"
SIZES = [1 * MiB, 16 * MiB, 64 * MiB, 256 * MiB, 1 * GiB, 4 * GiB]
#: The largest size may take so many times the seconds per byte of 256 MiB, which is past every cache.
FROM, AT_MOST = 256 * MiB, 1.5
#: For the record, not judged: what the disk does to a save, which sets the pace past what the page cache may hold of unwritten
#: bytes, and what the machine does to a connection.
BY_NUMPY, BY_HAND = "np.save", "send by hand"
BESIDE = (BY_NUMPY, BY_HAND)
ON_DISK = ("save", BY_NUMPY)


def section(run: Run):
    found: dict[str, dict[int, float]] = {}
    with connected(run, "S", [OURS, HAND]) as clients:
        memory = memory_folder()
        if memory is None:
            run.record.miss("S", "all", "save (memory)", "no file system in memory at /dev/shm")
        for nbytes in SIZES:
            label = size_label(nbytes)
            if run.quick and nbytes >= FROM:
                run.record.miss("S", label, "all", "not in a quick run")
            elif (there := available()) is not None and there < 3.5 * nbytes:
                run.record.miss("S", label, "all", f"{there / GiB:.1f} GiB of memory left; it takes 3.5 times the array")
            else:
                one_size(run, nbytes, label, clients, memory, found)
    for verb, seconds in found.items():
        if verb not in BESIDE:
            judge(run, verb, seconds)


def one_size(run: Run, nbytes: int, label: str, clients: dict, memory: Path | None, found: dict):
    for verb, function in verbs(np.ones(nbytes // 8), run.work, memory, clients):
        try:
            runner = calls(function)
            number = repeats(runner(1), 0.02)
            samples = []
            for _ in range(5 if nbytes > FROM or run.quick else 7):
                if verb in ON_DISK:
                    # What the ones before have left to be written would be waited for.
                    (run.work / FILE).unlink(missing_ok=True)
                    os.sync()
                samples.append(runner(number) / number)
        except Exception as error:
            run.record.miss("S", label, verb, error)
            continue
        median = statistics.median(samples)
        found.setdefault(verb, {})[nbytes] = median / nbytes
        run.record.results.append({
            "section": "S", "workload": verb, "contender": label, "nbytes": nbytes, "rounds": len(samples), "median_s": median,
            "min_s": min(samples), "max_s": max(samples), "gbps": nbytes / median / 1e9, "ratio": 1.0, "ref": label,
            "s_per_gib": median * GiB / nbytes,
        })


def verbs(array: np.ndarray, work: Path, memory: Path | None, clients: dict) -> Iterator[tuple[str, Callable]]:
    """What is timed, in turn; what one needs is made when it is its turn, and gone before the next."""
    path = work / FILE
    yield "tobytes", lambda: ndb.tobytes(array)
    yield "dumps", lambda: ndb.dumps(array)
    dumped = ndb.dumps(array)
    yield "loads", lambda: ndb.loads(dumped)
    del dumped
    yield "save", lambda: ndb.save(path, array)
    yield "load", lambda: ndb.load(path)
    path.unlink(missing_ok=True)
    yield BY_NUMPY, lambda: np_save(path, array)
    path.unlink(missing_ok=True)
    if memory is not None:
        with tempfile.TemporaryDirectory(dir=memory) as folder:
            yield "save (memory)", lambda: ndb.save(Path(folder) / FILE, array)
    for name, client in clients.items():
        yield "send" if name == OURS else BY_HAND, functools.partial(client.call, array)


def memory_folder() -> Path | None:
    """A file system without a disk behind it: there a save takes the time that is its own."""
    folder = Path("/dev/shm")
    return folder if folder.is_dir() else None


def judge(run: Run, verb: str, per_byte: dict[int, float]):
    largest = max(per_byte)
    goal = Goal(f"{verb}: seconds per byte at {size_label(largest)} beside {size_label(FROM)}", f"ndb.{verb}", f"ndb.{verb}",
                AT_MOST, dict, unit="x its time", nbytes=largest)
    if largest <= FROM or FROM not in per_byte:
        run.record.goals.append(row("Linear", goal) | {"why": "not in a quick run, or missing"})
    else:
        run.record.goals.append(row("Linear", goal, per_byte[largest] / per_byte[FROM]))


def available() -> int | None:
    """Bytes of memory that are left; None where nothing tells it."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None
