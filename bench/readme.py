"""The README's table, printed from the newest record of a full run."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from . import record
from .report import seconds, table_row

README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(r"(<!-- bench:begin -->\n).*?(<!-- bench:end -->)", re.S)

#: Peers that do less than the task: another type, no copy, no file.
NO_BYTES = {"a.copy()", "np.copyto, touched", "memoryview (no copy)", "pickle 5 out-of-band", "np.ascontiguousarray"}
NO_COPY = {"a.tobytes() / np.frombuffer", "memoryview (no copy)", "pickle 5 out-of-band", "pyarrow tensor", "safetensors"}
MAPPED = {"np.save / np.load mmap + sum", "pyarrow tensor / mmap + sum"}
NOTHING: set[str] = set()


@dataclass(frozen=True)
class Task:
    name: str
    section: str
    workload: str
    ours: str
    today: str
    #: Contenders that do not do the task.
    less: set[str]


TASKS = [
    Task("64 MiB to bytes", "A", "64 MiB f8", "ndb.tobytes / frombuffer", "a.tobytes() / np.frombuffer", NO_BYTES),
    Task("64 MiB to bytes, with dtype, shape and checksums", "A", "64 MiB f8", "ndb.dumps / loads", "pickle 5", NO_BYTES),
    Task("and back, verified", "B", "64 MiB f8", "ndb.dumps / loads", "pickle 5", NO_COPY),
    Task("f4 4096x4096, transposed, to bytes", "L", "F to C f4 4096x4096", "ndb.tobytes", "a.tobytes()", NO_BYTES),
    Task("16 images of 1280x1080x3 to planes", "L", "NHWC to NCHW u1 16x1080x1280x3", "ndb.tobytes", "a.tobytes()", NO_BYTES),
    Task("64 MiB, big-endian to native bytes", "L", ">f8 to native 64 MiB", "ndb.tobytes", "a.tobytes()", NO_BYTES),
    Task("save 64 MiB, replaced whole or not at all", "C", "walk3d_f32 write, cached", "ndb.save / load", "np.save / np.load", MAPPED),
    Task("load it", "C", "walk3d_f32 read, cached", "ndb.save / load", "np.save / np.load", MAPPED),
    Task("save 64 MiB, checked", "C", "walk3d_f32 write, cached", "ndb.save / load, checked", "np.save / np.load", MAPPED),
    Task("64 MiB over TCP, checked", "E", "64 MiB", "ndb.send, ndb.recv(out=) reused", "sendall(tobytes), recv(65536) joined", NOTHING),
    Task("1 KiB over TCP and back", "E", "1 KiB round trip", "ndb.send, ndb.recv(out=) reused", "sendall(tobytes), recv(65536) joined",
         NOTHING),
    Task("1 KiB to bytes", "A", "1 KiB f8", "ndb.tobytes / frombuffer", "a.tobytes() / np.frombuffer", NO_BYTES),
]


def fill() -> int:
    """Puts the block into README.md."""
    text = README.read_text()
    new, found = BLOCK.subn(lambda marks: marks[1] + block(record.newest()) + marks[2], text)
    if found != 1:
        sys.exit(f"error: README.md has {found} blocks between bench:begin and bench:end, not one")
    README.write_text(new)
    print("README.md: " + ("as it was" if new == text else "filled"))
    return 0


def block(data: dict | None) -> str:
    """What stands between the marks, for a record."""
    if data is None:
        return "No full run of `cargo xtask bench` is recorded yet.\n"
    meta = data["meta"]
    load = meta["load before"].split()[0]
    lines = [
        f"`cargo xtask bench`, {meta['date']}, {meta['machine'].split(', Linux')[0]} (load average {load} before it), NumPy "
        f"{meta['packages']['numpy']}: medians of interleaved rounds, in Python; the best peer is the fastest of those in bench/ "
        "that do the whole task. Above 1x, ndbytes is the faster one.",
        "",
        table_row("task", "ndbytes", "today", "", "best peer", ""),
        "|---|---:|---|---:|---|---:|",
    ]
    slower = []
    for task in TASKS:
        rows = {row["contender"]: row for row in data["results"] if (row["section"], row["workload"]) == (task.section, task.workload)}
        if task.ours not in rows or task.today not in rows:
            lines.append(table_row(task.name, "missing", f"`{task.today}`", "", "", ""))
            continue
        ours = rows[task.ours]
        peers = [row for name, row in rows.items() if "ndb." not in name and name not in task.less]
        best = min(peers, key=lambda row: row["median_s"])
        lines.append(table_row(task.name, seconds(ours["median_s"]), *beside(ours, rows[task.today]), *beside(ours, best)))
        if best["median_s"] < ours["median_s"]:
            slower.append(f"{task.name} ({best['contender']})")
    told = "; ".join(slower) if slower else "none of these tasks"
    return "\n".join([*lines, "", f"Another is faster at: {told}.", ""])


def beside(ours: dict, other: dict) -> tuple[str, str]:
    times = other["median_s"] / ours["median_s"]
    return f"`{other['contender']}` {seconds(other['median_s'])}", f"{times:.2f}x" if times < 10 else f"{times:.0f}x"
