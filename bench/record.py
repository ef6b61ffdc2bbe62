"""What a run found: figures, goals, and what is missing and why; as JSON, and where it stands on the disk."""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
import time
import zlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .figures import Samples, ratio

FORMAT = 1
HERE = Path(__file__).parent
FOLDER = HERE / "record"

#: The keys that every row of a list has.
KEYS = {
    "results": {"section", "workload", "contender", "nbytes", "rounds", "median_s", "min_s", "max_s", "gbps", "ratio", "ref"},
    "goals": {"group", "name", "ours", "peer", "unit", "goal", "measured", "met", "clock"},
    "missing": {"section", "workload", "contender", "why"},
}


class Record:
    """The rows of one run; everything that was asked for is in `results`, `goals` or `missing`."""

    def __init__(self, meta: dict):
        self.meta = meta
        self.results: list[dict] = []
        self.goals: list[dict] = []
        self.missing: list[dict] = []

    def add(self, section: str, workload: str, samples: Samples, nbytes: int, ref: str, extra: dict | None = None):
        """Figures of contenders that were measured in the same rounds; `ref` is the one they are compared with."""
        if not samples:
            return
        ref = ref if ref in samples else next(iter(samples))
        for name, seconds in samples.items():
            median = statistics.median(seconds)
            self.results.append({
                "section": section, "workload": workload, "contender": name, "nbytes": nbytes, "rounds": len(seconds),
                "median_s": median, "min_s": min(seconds), "max_s": max(seconds), "gbps": nbytes / median / 1e9,
                "ratio": ratio(seconds, samples[ref]), "ref": ref, **((extra or {}).get(name) or {}),
            })
        best = min(samples, key=lambda name: statistics.median(samples[name]))
        speed = {name: nbytes / statistics.median(samples[name]) / 1e9 for name in (best, ref)}
        print(f"  {workload}: best {best} {speed[best]:.3g} GB/s ({ref} {speed[ref]:.3g})", flush=True)

    def miss(self, section: str, workload: str, contender: str, why: BaseException | str):
        """Something that was asked for and could not be measured."""
        if isinstance(why, BaseException):
            why = f"{type(why).__name__}: {why}"[:200]
        self.missing.append({"section": section, "workload": workload, "contender": contender, "why": why})

    def json(self) -> dict:
        return {"format": FORMAT, "meta": self.meta, "results": self.results, "goals": self.goals, "missing": self.missing}


def check(data: dict):
    """ValueError if this is no record."""
    if data.get("format") != FORMAT:
        raise ValueError(f"format is {data.get('format')!r}, not {FORMAT}")
    for name, keys in KEYS.items():
        for row in data[name]:
            if lacking := keys - row.keys():
                raise ValueError(f"a row of {name} lacks {', '.join(sorted(lacking))}: {row}")
    for key in ("date", "machine", "load before", "load after", "mode", "packages"):
        if key not in data["meta"]:
            raise ValueError(f"meta lacks {key!r}")


def newest(folder: Path = FOLDER) -> dict | None:
    """The newest record of a full run, if there is one; their names begin with the date."""
    for path in sorted(folder.glob("*.json"), reverse=True):
        data = json.loads(path.read_text())
        check(data)
        if data["meta"]["mode"] == "full":
            return data
    return None


def about(mode: str) -> dict:
    """When and on what; the packages that are there, and the versions they have."""
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": f"{processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        "load before": load(),
        "huge pages": huge_pages(),
        "python": platform.python_version(),
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
        "mode": mode,
        "packages": {name: installed(name) for name in ["ndbytes", *required()]},
    }


def stem(meta: dict) -> str:
    """The name of a record: date, machine, and what sort of run if it was not a full one."""
    date = re.sub(r"[^0-9T]", "", meta["date"].replace(" ", "T", 1).removesuffix(" UTC"))
    machine = re.sub(r"[^a-z0-9]+", "-", meta["machine"].split(", Linux")[0].lower()).strip("-")
    mode = "" if meta["mode"] == "full" else f"-{meta['mode']}"
    return f"{date[:4]}-{date[4:6]}-{date[6:]}-{machine}{mode}"


def load() -> str:
    return " ".join(f"{value:.2f}" for value in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def huge_pages() -> str:
    try:
        return re.search(r"\[(\w+)\]", Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text())[1]
    except (OSError, TypeError):
        return "unknown"


def required() -> list[str]:
    lines = (HERE / "requirements.txt").read_text().splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
