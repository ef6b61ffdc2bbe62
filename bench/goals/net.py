"""TCP on loopback between two processes, checksums on, into memory that is used again."""

from __future__ import annotations

import numpy as np

from ..figures import GiB, KiB, MiB, size_label
from ..measure import calls
from ..net import connected, middles, trips
from ..run import Run
from .goal import Goal, keep, row

OURS, HAND, ZMQ = "ndb.send, ndb.recv(out=) reused", "sendmsg, recv_into reused", "pyzmq copy=False"
GOALS = [
    Goal("1 KiB there and back", OURS, HAND, 1.3, dict, unit="x its time", nbytes=1 * KiB),
    *(goal for nbytes in (64 * MiB, 1 * GiB) for goal in (
        Goal(f"{size_label(nbytes)} beside a hand-written loop", OURS, HAND, 0.95, dict, nbytes=nbytes, big=nbytes >= GiB),
        Goal(f"{size_label(nbytes)} beside pyzmq", OURS, ZMQ, 2, dict, nbytes=nbytes, big=nbytes >= GiB),
    )),
]


def measure(run: Run):
    beside(run, "TCP", GOALS, [OURS, HAND, ZMQ])


def beside(run: Run, group: str, wanted: list[Goal], names: list[str]):
    """Sizes in turn, all ways in the same rounds."""
    with connected(run, "goals", names) as clients:
        for nbytes in dict.fromkeys(goal.nbytes for goal in wanted):
            goals = [goal for goal in wanted if goal.nbytes == nbytes]
            if run.quick and goals[0].big:
                run.record.goals.extend(row(group, goal) | {"why": "not in a quick run"} for goal in goals)
                continue
            if nbytes == 1 * KiB:
                samples = middles(trips(run, clients))
            else:
                array = np.arange(nbytes // 8, dtype=np.float64)
                cases = {name: calls(lambda c=client: c.call(array)) for name, client in clients.items()}
                # A call behind one of its own: both processes have just run, as where arrays follow each other. What came between is
                # the others' calls, and where the system wakes who slept meanwhile is no matter of how a way moves bytes.
                setups = {name: lambda c=client: c.call(array) for name, client in clients.items()}
                samples = run.compare(cases, run.effort(budget=13), setups)
            for goal in goals:
                if lacking := [side for side in (goal.ours, goal.peer) if side not in samples]:
                    run.record.goals.append(row(group, goal) | {"why": f"no {', '.join(lacking)}"})
                else:
                    keep(run, group, goal, {"ours": samples[goal.ours], "peer": samples[goal.peer]})
