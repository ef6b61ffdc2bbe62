"""`python -m bench`: runs the sections that are asked for and writes the record. `cargo xtask bench` calls it."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import traceback
from pathlib import Path

from . import record, report

SECTIONS = ["P", "goals", "A", "L", "E", "C", "F", "S"]
#: Asked for by name only, and what a record of all of it is called: they take longer than all the others.
EXTRA = {"D": "codecs", "H": "channels", "Z": "npz"}
#: It writes stores of 64 MiB with every peer before it reads anything.
NOT_QUICK = ["F"]
#: Seconds after which no further section begins: on a machine with other work it would not end in time.
FULL, QUICK = 720, 90


def main() -> int:
    options = parse()
    if options.readme:
        from . import readme

        return readme.fill()
    only = options.only.split(",") if options.only else SECTIONS
    if unknown := [name for name in only if name not in [*SECTIONS, *EXTRA]]:
        sys.exit(f"error: no section {', '.join(unknown)}; there are {', '.join([*SECTIONS, *EXTRA])}")
    alone = EXTRA.get(options.only)
    mode = "quick" if options.quick else alone or ("partial" if options.only else "full")
    mode = "partial" if options.quick and options.only else mode
    found = record.Record(record.about(mode))
    options.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.work, prefix="run-") as folder:
        everything(found, only, options, Path(folder))
    found.meta["load after"] = record.load()
    return write(found, options.out)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="cargo xtask bench", description="ndbytes and its peers side by side.")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, nothing over 64 MiB; under two minutes")
    parser.add_argument("--only", help=f"some of {','.join([*SECTIONS, *EXTRA])}, with commas between; A brings B")
    parser.add_argument("--rounds", type=int, default=5, help="at least so many (5)")
    parser.add_argument("--work", type=Path, default=Path("target/bench"), help="where files are written, on the disk to be measured")
    parser.add_argument("--out", type=Path, default=record.FOLDER, help="where the record goes")
    parser.add_argument("--readme", action="store_true", help="measure nothing: put the newest full record into README.md")
    return parser.parse_args()


def everything(found: record.Record, only: list[str], options: argparse.Namespace, folder: Path):
    from . import access, codecs, files, goals, layouts, limits, linear, memory, net
    from .goals import channels, npz
    from .run import Run

    sections = {"P": limits, "A": memory, "L": layouts, "C": files, "D": codecs, "E": net, "F": access, "S": linear,
                "H": channels, "Z": npz, "goals": goals}
    limit = float("inf") if options.only else QUICK if options.quick else FULL
    run = Run(options.quick, folder, options.work / "data", found, options.rounds, limit)
    for name in [*SECTIONS, *EXTRA]:
        if name not in only:
            found.miss(name, "all", "all", f"not asked for: `cargo xtask bench --only {name}`")
            continue
        if options.quick and not options.only and name in NOT_QUICK:
            found.miss(name, "all", "all", "not in a quick run")
            continue
        if run.gone() > limit:
            found.meta["mode"] = "partial"
            found.miss(name, "all", "all", f"out of time: what came before took {run.gone():.0f} s")
            continue
        print(f"== {name}: {report.TITLES.get(name, 'Goals')}", flush=True)
        start = time.perf_counter()
        try:
            sections[name].section(run)
        except Exception as error:
            # One section's fault must not take the others' figures.
            traceback.print_exc()
            found.miss(name, "all", "all", error)
        found.meta.setdefault("seconds", {})[name] = round(time.perf_counter() - start)


def write(found: record.Record, folder: Path) -> int:
    data = json.loads(json.dumps(found.json()))
    record.check(data)
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / record.stem(found.meta)
    for path, text in ((f"{stem}.json", json.dumps(data, indent=1) + "\n"), (f"{stem}.md", report.markdown(data))):
        Path(path).write_text(text)
        print(f"wrote {path}")
    short = [goal for goal in data["goals"] if goal["met"] is False]
    for goal in short:
        print(f"short: {goal['group']}, {goal['name']}: {goal['measured']:.3g} {goal['unit']} of {goal['goal']:g}")
    print(f"goals: {sum(goal['met'] is True for goal in data['goals'])} met, {len(short)} short, "
          f"{sum(goal['met'] is None for goal in data['goals'])} missing; {len(data['missing'])} rows missing elsewhere")
    return 0


if __name__ == "__main__":
    sys.exit(main())
