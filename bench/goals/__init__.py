"""The numbers that ndbytes holds itself to, one line each, in the tables of this folder; a run says which are short."""

from __future__ import annotations

from ..run import Run
from . import files, layouts, memory, net
from .goal import measure


def section(run: Run):
    """All but the goals of section S, which that section judges."""
    measure(run, "Contiguous", memory.CONTIGUOUS)
    measure(run, "Layouts", layouts.LAYOUTS)
    layouts.sweep(run)
    measure(run, "Byte order", layouts.BYTE_ORDER)
    measure(run, "Checked bytes", memory.CHECKED)
    measure(run, "Files", files.tables(run.work))
    files.peaks(run)
    net.measure(run)
