"""One run: what was asked for, where it may write, and what it has found so far."""

from __future__ import annotations

import importlib
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .figures import Samples
from .measure import Effort, Runner, interleave
from .record import Record


@dataclass
class Run:
    quick: bool
    work: Path
    data: Path
    record: Record
    rounds: int = 5
    #: Seconds after which no further section begins.
    limit: float = float("inf")
    began: float = field(default_factory=time.perf_counter)

    def effort(self, budget: float = 1.5, at_most: int = 21, sample: float = 0.003) -> Effort:
        """What a full run may spend on one workload; a quick or a late one takes a fifth of it, and three rounds."""
        if self.quick or self.gone() > self.limit / 2:
            return Effort(min(self.rounds, 3), budget / 5, at_most, sample)
        return Effort(self.rounds, budget, at_most, sample)

    def gone(self) -> float:
        """Seconds since it began: a machine with other work may be slow."""
        return time.perf_counter() - self.began

    def compare(self, cases: dict[str, Runner], effort: Effort | None = None, setups: dict | None = None) -> Samples:
        return interleave(cases, effort or self.effort(), setups) if cases else {}

    def here(self, section: str, contenders: list[Contender]) -> Iterator[Contender]:
        """The contenders whose packages are there; the others are listed as missing, once a section."""
        for contender in contenders:
            if lacking := [name for name in contender.needs.split() if module(name) is None]:
                row = (section, "all", contender.name, f"no package {', '.join(lacking)}")
                if row not in {tuple(known.values()) for known in self.record.missing}:
                    self.record.miss(*row)
            else:
                yield contender


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One way to do a section's work. `needs` names the modules without which it is listed as missing."""

    name: str
    needs: str = ""


def module(name: str):
    """The module, or None where it cannot be imported, for whatever reason."""
    try:
        return importlib.import_module(name)
    except Exception:
        return None


def lazy(name: str) -> Callable:
    """A function by its dotted name, imported at its first call."""

    def call(*args, **kwargs):
        where, _, attribute = name.rpartition(".")
        return getattr(importlib.import_module(where), attribute)(*args, **kwargs)

    return call


def remove(stem: Path):
    """Every file and folder whose name begins so: some contenders put a suffix behind it."""
    for path in stem.parent.glob(stem.name + "*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def files_of(stem: Path) -> Iterator[Path]:
    for path in stem.parent.glob(stem.name + "*"):
        yield from (file for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())
