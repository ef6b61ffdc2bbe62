"""What a goal is: two lines of Python side by side, and by how much ours shall be the better one."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import ndbytes as ndb
import numpy as np

from ..figures import UNITS, Samples, met, ratio
from ..measure import interleave, statement
from ..run import Run


@dataclass(frozen=True)
class Goal:
    name: str
    #: A line of Python over the names that `data` gives; what it returns is freed within its time.
    ours: str
    #: The line it is compared with, or the one that stands beside it for the record where the goal is no ratio.
    peer: str
    goal: float
    data: Callable[[], dict]
    #: True before anything is timed, or the goal is missing.
    check: str = "bytes(ndb.tobytes(a)) == a.tobytes()"
    unit: str = "x"
    #: Bytes of the array.
    nbytes: int = 0
    #: Called before each sample of either side, outside its time: what is to be gone or new then.
    before: str = ""
    #: Left out of a quick run, and listed.
    big: bool = False
    #: Both sides work on one thread and wait for nothing: the processor time counts, and not what else the machine does.
    alone: bool = False

    @property
    def clock(self) -> Callable[[], float]:
        return time.process_time if self.alone else time.perf_counter


def measure(run: Run, group: str, goals: list[Goal]):
    """Each goal of a table, in the order of the table; neighbours with the same data share it."""
    made, names = None, {}
    for goal in goals:
        if run.quick and goal.big:
            run.record.goals.append(row(group, goal) | {"why": "not in a quick run"})
            continue
        try:
            if made is not goal.data:
                # The last one's arrays go first: two of these may not fit.
                names = None
                names = {"np": np, "ndb": ndb, **goal.data()}
                made = goal.data
            one(run, group, goal, names)
        except Exception as error:
            run.record.goals.append(row(group, goal) | {"why": f"{type(error).__name__}: {error}"[:200]})
        print("  " + told(run.record.goals[-1]), flush=True)


def one(run: Run, group: str, goal: Goal, names: dict):
    if not eval(goal.check, names):
        raise ValueError(f"not exact: {goal.check}")
    cases = {"ours": statement(goal.ours, names, goal.clock)}
    if goal.peer:
        cases["peer"] = statement(goal.peer, names, goal.clock)
    setups = {case: (lambda: exec(goal.before, names)) for case in cases} if goal.before else {}
    # A file may meet the disk's own work, for a second: it gets time for as many rounds as others.
    budget = 4 if goal.before and not run.quick else 1.5
    samples = interleave(cases, run.effort(budget=budget, at_most=25 if run.quick else 41, sample=0.005), setups)
    keep(run, group, goal, samples)


def keep(run: Run, group: str, goal: Goal, samples: Samples, **more):
    """One row: what was measured, in the goal's unit, and both sides' seconds."""
    seconds = {side: statistics.median(times) for side, times in samples.items()}
    match goal.unit:
        case "x":
            measured = ratio(samples["ours"], samples["peer"])
        case "x its time":
            measured = ratio(samples["peer"], samples["ours"])
        case "µs":
            measured = seconds["ours"] * 1e6
        case "GB/s":
            measured = goal.nbytes / seconds["ours"] / 1e9
        case other:
            raise ValueError(f"{other} is not told by times")
    best = min(samples["peer"]) / min(samples["ours"]) if "peer" in samples else None
    figures = {"ours_s": seconds["ours"], "peer_s": seconds.get("peer"), "best_ratio": best, "rounds": len(samples["ours"])}
    run.record.goals.append(row(group, goal, measured) | figures | more)


def row(group: str, goal: Goal, measured: float | None = None) -> dict:
    found = None if measured is None else met(goal.unit, goal.goal, measured)
    return {"group": group, "name": goal.name, "ours": goal.ours, "peer": goal.peer, "nbytes": goal.nbytes,
            "unit": goal.unit, "goal": goal.goal, "measured": measured, "met": found,
            "clock": "processor" if goal.alone else "wall"}


def told(found: dict) -> str:
    bound = "at most" if UNITS[found["unit"]] else "at least"
    wanted = f"{bound} {found['goal']:g} {found['unit']}"
    if found["measured"] is None:
        return f"{found['name']}: missing ({found['why']}); {wanted}"
    return f"{found['name']}: {found['measured']:.3g} {found['unit']}, {wanted}{'' if found['met'] else ': SHORT'}"
