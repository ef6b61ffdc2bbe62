"""The bench's arithmetic, the form of its records, and the README's table out of the newest one. Nothing is timed."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from bench import data, figures, measure, memory, readme, record, report, run  # noqa: E402
from bench.goals import files, layouts, net  # noqa: E402
from bench.goals import memory as goals_memory  # noqa: E402
from bench.goals.goal import Goal, keep, row  # noqa: E402

PACKAGES = {"ndbytes": "0.1.0", "numpy": "2.0"}
META = {"date": "2026-11-24 12:34 UTC", "machine": "A CPU, 2 cores, Linux 6", "load before": "0.10 0 0", "load after": "0", "mode": "full",
        "packages": PACKAGES}
TABLES = [goals_memory.CONTIGUOUS, goals_memory.CHECKED, layouts.LAYOUTS, layouts.BYTE_ORDER, files.tables(Path()), net.GOALS]


@given(st.lists(st.tuples(st.floats(1e-9, 1e3), st.floats(1e-9, 1e3)), min_size=1))
def test_a_ratio_is_the_middle_of_the_rounds(rounds):
    ours, theirs = (list(side) for side in zip(*rounds, strict=True))
    ordered = sorted(b / a for a, b in rounds)
    middle = (ordered[len(ordered) // 2] + ordered[(len(ordered) - 1) // 2]) / 2
    assert figures.ratio(ours, theirs) == pytest.approx(middle)
    assert figures.ratio(ours, ours) == 1


def test_a_ratio_is_taken_within_the_round():
    """A slow machine for a while changes the times, and not the ratio."""
    assert figures.ratio([1, 10, 1], [2, 20, 2]) == 2
    with pytest.raises(ValueError):
        figures.ratio([1], [1, 2])


@given(st.lists(st.text(), unique=True, min_size=1), st.integers(0, 100))
def test_each_case_leads_in_its_turn(names, start):
    orders = [figures.rotated(names, start + by) for by in range(len(names))]
    assert {order[0] for order in orders} == set(names)
    assert all(sorted(order) == sorted(names) for order in orders)
    assert figures.rotated([], 3) == []


@given(st.floats(0, 1e3), st.floats(1e-4, 1))
def test_a_sample_is_filled_and_not_overfilled(seconds, sample):
    number = figures.repeats(seconds, sample)
    assert 1 <= number <= 20_000
    assert number == 1 or number * seconds <= sample * 1.001


@pytest.mark.parametrize("unit", figures.UNITS)
def test_a_goal_is_met_on_its_side(unit):
    """A time and a size may be at most the goal; a speed and a ratio at least."""
    assert figures.met(unit, 2, 2)
    assert figures.met(unit, 2, 1.9) == (unit in ("x its time", "x its size", "of the time", "µs", "MiB"))
    assert figures.met(unit, 2, 2.1) != figures.met(unit, 2, 1.9)


def test_rounds_are_interleaved_and_set_up():
    """Every case once a round, the order rotating, each after its own setup; the calls of a warm-up are no samples."""
    seen = []

    def case(name):
        return lambda number: seen.append(name) or float(number)

    cases = {name: case(name) for name in "abc"}
    effort = measure.Effort(rounds=4, budget=0, sample=1e-9)
    samples = measure.interleave(cases, effort, {"b": lambda: seen.append("set b")})
    assert samples == {name: [1.0] * 4 for name in "abc"}
    plain = [name for name in seen if name != "set b"]
    assert "".join(plain) == "aabcc" + "abc" + "bca" + "cab" + "abc"
    assert all(after == "b" for before, after in zip(seen, seen[1:], strict=False) if before == "set b")
    assert seen.count("set b") == 5


def test_what_is_missing_is_listed_once():
    there = record.Record(META)
    bench = run.Run(False, ROOT, ROOT, there)
    contenders = [run.Contender(name="here"), run.Contender(name="gone", needs="json no_such_module_at_all")]
    for _ in range(2):
        assert [contender.name for contender in bench.here("A", contenders)] == ["here"]
    assert there.missing == [{"section": "A", "workload": "all", "contender": "gone", "why": "no package no_such_module_at_all"}]


def filled(mode="full"):
    there = record.Record(META | {"mode": mode})
    there.add("A", "1 KiB", {"ours": [1.0, 2.0], "peer": [2.0, 4.0]}, 1024, "peer", {"ours": {"p50_us": 1.0}})
    goal = Goal("a goal", "ours()", "peer()", 1.5, dict, nbytes=1024)
    keep(run.Run(False, ROOT, ROOT, there), "Group", goal, {"ours": [1.0, 2.0], "peer": [2.0, 4.0]})
    there.goals.append(row("Group", goal) | {"why": "TypeError: no keyword"})
    there.miss("L", "all", "gone", ImportError("no module"))
    return json.loads(json.dumps(there.json()))


def test_a_record_has_its_form():
    found = filled()
    record.check(found)
    assert [(one["contender"], one["ratio"], one["gbps"]) for one in found["results"]] == [("ours", 2, 1024 / 1.5 / 1e9), ("peer", 1, 1024 / 3 / 1e9)]
    assert [(goal["measured"], goal["met"]) for goal in found["goals"]] == [(2, True), (None, None)]
    for rows in ("results", "goals", "missing"):
        for key in record.KEYS[rows]:
            broken = json.loads(json.dumps(found))
            del broken[rows][0][key]
            with pytest.raises(ValueError, match=key):
                record.check(broken)
    for key in ("date", "machine", "load before", "load after", "mode", "packages"):
        with pytest.raises(ValueError, match=key):
            record.check(found | {"meta": {name: value for name, value in found["meta"].items() if name != key}})
    with pytest.raises(ValueError, match="format"):
        record.check(found | {"format": 2})


def test_a_report_has_every_row():
    text = report.markdown(filled())
    assert "1 of 2 met, 0 short, 1 missing" in text
    for part in ("| ours | 1.5 s |", "TypeError: no keyword", "ImportError: no module", "**1 KiB**", "load before: 0.10 0 0"):
        assert part in text
    assert report.seconds(1.5e-7) == "150 ns" and report.seconds(0.0123) == "12.3 ms"


def test_the_newest_full_record_counts(tmp_path):
    for name, mode in (("2026-01-01", "full"), ("2026-01-02", "full"), ("2026-01-03-quick", "quick")):
        (tmp_path / f"{name}.json").write_text(json.dumps(filled(mode) | {"missing": []}))
    there = json.loads((tmp_path / "2026-01-02.json").read_text())
    assert record.newest(tmp_path) == there
    assert record.stem(META) == "2026-11-24T1234-a-cpu-2-cores"
    assert record.stem(META | {"mode": "quick"}).endswith("-quick")
    assert record.newest(tmp_path / "none") is None and "recorded yet" in readme.block(None)


def test_the_table_of_the_readme_is_that_of_the_newest_record():
    (shown,) = [marks[0] for marks in readme.BLOCK.finditer((ROOT / "README.md").read_text())]
    there = record.newest()
    printed = readme.block(there)
    assert shown == f"<!-- bench:begin -->\n{printed}<!-- bench:end -->", "run `cargo xtask bench --readme`"
    if there:
        assert "| missing |" not in printed, "each task is in the record"
        assert "none of these tasks" not in printed, "it says where another is faster"


def test_the_table_says_where_another_is_faster():
    there = record.Record(META)
    for task in readme.TASKS:
        samples = {task.ours: [2.0], task.today: [1.0 if task.name == "1 KiB to bytes" else 9.0], "memoryview (no copy)": [0.1]}
        there.add(task.section, task.workload, samples, 1024, task.today)
    lines = readme.block(there.json()).splitlines()
    assert sum(" 4.50x |" in line for line in lines) >= 5
    assert "memoryview" not in next(line for line in lines if line.startswith("| 64 MiB to bytes |")), "it makes no bytes"
    assert any(line.startswith("Another is faster at:") and "1 KiB to bytes" in line for line in lines)
    there.results.clear()
    assert readme.block(there.json()).count("| missing |") == len(readme.TASKS)


def test_every_committed_record_is_one():
    for path in record.FOLDER.glob("*.json"):
        record.check(json.loads(path.read_text()))
        assert path.with_suffix(".md").exists()


@pytest.mark.parametrize("goal", [goal for table in TABLES for goal in table], ids=lambda goal: goal.name)
def test_each_goal_is_well_formed(goal):
    assert goal.unit in figures.UNITS and goal.goal > 0 and goal.nbytes > 0
    if goal not in net.GOALS:
        for source in (goal.ours, goal.peer or "0", goal.check):
            compile(source, goal.name, "eval")


def test_names_are_told_apart():
    for table in (memory.MEMORY, *TABLES):
        names = [one.name for one in table]
        assert len(set(names)) == len(names)


def test_random_layouts_are_of_the_size_they_say():
    rng, shapes = np.random.default_rng(1), []
    for _ in range(30):
        array, described = layouts.random_layout(rng)
        assert 1 << 14 <= array.nbytes <= 1 << 24 and str(array.strides) in described
        shapes.append((array.ndim, array.flags.c_contiguous, min(array.strides) < 0, 0 in array.strides))
    for column in zip(*shapes, strict=True):
        assert len(set(column)) > 1, "they differ in axes, order, direction and repetition"


def test_data_is_real_or_made(tmp_path, monkeypatch):
    monkeypatch.setitem(data.MADE, "small", lambda rng: rng.random(3))
    there = record.Record(META)
    bench = run.Run(False, tmp_path, tmp_path / "data", there)
    assert np.array_equal(data.load(bench, "C", "small"), data.load(bench, "C", "small"))
    assert data.load(bench, "C", "real_digits_f64").dtype == np.float64
    assert data.load(bench, "C", "no_such_set") is None
    assert [one["workload"] for one in there.missing] == ["no_such_set"]
