"""Compression of whole arrays with their shapes, on one thread: sizes and speeds beside python-blosc2, pcodec and zstd."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess

import ndbytes as ndb
import numpy as np

from .. import data
from ..run import Run, module
from .goal import Goal, one, row, told

GROUP = "Codecs"
QUICK = ("real_ecg_u16", "real_face_u8", "real_diamonds_f64")
BLOSC2 = "blosc2.compress2(a, typesize=a.itemsize, nthreads=1)"
CHECK = "ndb.loads(ndb.dumps(a, codec='{}')).tobytes() == a.tobytes()"


#: From so many bytes on trying must not take long.
LARGE = (16 << 20) + (1 << 10)
#: Speeds of single sets: the set, what it is called, the line, and what is wanted of it.
SINGLE = [
    ("noise_u8", "noise: auto compresses", "ndb.dumps(a, codec='auto', threads=1, out=room)", 8, "GB/s"),
    ("walk2dec_f64", "two decimals: auto compresses", "ndb.dumps(a, codec='auto', threads=1, out=room)", 2, "GB/s"),
]


def sets(run: Run):
    """Every set; one that is missing is missing among the goals, too."""
    ratios, speeds, choices = [], {"compress": [], "decompress": []}, []
    for name in QUICK if run.quick else data.names():
        try:
            a = data.load(run, "D", name)
            if a is None:
                raise FileNotFoundError(name)
            ratios.append(one_set(run, name, np.ascontiguousarray(a), speeds))
            choices.append(choice(run, name))
        except Exception as error:
            goal = Goal(f"{name}: all", "", "", 1, dict)
            run.record.goals.append(row(GROUP, goal) | {"why": f"{type(error).__name__}: {error}"[:200]})
            print("  " + told(run.record.goals[-1]), flush=True)
    of_all = [
        ("auto: ratio beside blosc2's best, of all sets", 1.10, "x", ratios),
        ("fast: compress, of all sets", 1.5, "GB/s", speeds["compress"]),
        ("fast: decompress, of all sets", 4, "GB/s", speeds["decompress"]),
    ]
    for name, wanted, unit, found in of_all:
        mean = statistics.geometric_mean(found) if found else None
        keep(run, Goal(name, "", "", wanted, dict, unit=unit), mean)
    near = sum(found["auto"] <= 1.05 * found["best"] for found in choices) / len(choices) if choices else None
    keep(run, Goal("auto: sets where it is within 5 % of the best filter", "", "", 0.9, dict, unit="share"), near)
    singles(run)
    threads(run)


def choice(run: Run, name: str) -> dict:
    """What the example `choices` says of a set: how good auto's choice is, and what it costs."""
    program = os.environ["NDBYTES_CHOICES"]
    line = subprocess.run([program, data.path(run.data, name)], check=True, capture_output=True, text=True, timeout=300)
    found = json.loads(line.stdout)
    beside = found["auto"] / found["best"]
    keep(run, Goal(f"{name}: auto beside the filter {found['filter']}", "", "", 1.05, dict, unit="x its size"), beside)
    if found["nbytes"] >= LARGE:
        part = found["trial_s"] / found["all_s"]
        keep(run, Goal(f"{name}: auto's trials", "", "", 0.05, dict, unit="of the time"), part)
    return found


def singles(run: Run):
    for name, what, ours, wanted, unit in [] if run.quick else SINGLE:
        a = data.load(run, "D", name)
        names = {"np": np, "ndb": ndb, "a": a, "room": bytearray(a.nbytes + a.nbytes // 64 + 4096)}
        goal = Goal(what, ours, "", wanted, dict, check=CHECK.format("auto"), unit=unit, nbytes=a.nbytes, alone=True)
        one(run, GROUP, goal, names)
        print("  " + told(run.record.goals[-1]), flush=True)
    a = data.load(run, "D", "real_face_u8")
    flat = min(*blosc2_sizes(module("blosc2"), a), len(module("zstandard").ZstdCompressor(level=9).compress(a)))
    keep(run, Goal("photograph: auto's ratio beside the best flat peer's", "", "blosc2, zstd 9", 1.8, dict),
         flat / len(ndb.dumps(a, codec="auto")))
    a = None if run.quick else data.load(run, "D", "walk2dec_f64")
    if a is not None:
        keep(run, Goal("two decimals: auto's ratio", "", "", 10, dict), a.nbytes / len(ndb.dumps(a, codec="auto")))


def threads(run: Run):
    """Two threads beside one, of 64 MiB."""
    for name in () if run.quick else ("walk3d_f32", "rand_f64"):
        a = data.load(run, "D", name)
        names = {"np": np, "ndb": ndb, "a": a, "room": bytearray(2 * a.nbytes), "out": np.zeros_like(a),
                 "coded": ndb.dumps(a, codec="auto")}
        for what, line in [("compress", "ndb.dumps(a, codec='auto', threads={}, out=room)"),
                           ("decompress", "ndb.loads(coded, out=out, threads={})")]:
            goal = Goal(f"{name}: two threads {what}", line.format(2), line.format(1), 1.6, dict,
                        check=CHECK.format("auto"), nbytes=a.nbytes)
            one(run, GROUP, goal, names)
            print("  " + told(run.record.goals[-1]), flush=True)


def one_set(run: Run, name: str, a: np.ndarray, speeds: dict) -> float:
    """The rows of one set; auto's ratio as a part of blosc2's best."""
    blosc2 = module("blosc2")
    blosc2.set_nthreads(1)
    coded = {codec: ndb.dumps(a, codec=codec, threads=1) for codec in ("auto", "fast", "small")}
    out = np.zeros_like(a)
    names = {"np": np, "ndb": ndb, "blosc2": blosc2, "a": a, "fast": coded["fast"], "out": out}
    beside = min(blosc2_sizes(blosc2, a)) / len(coded["auto"])
    keep(run, Goal(f"{name}: auto's ratio beside blosc2's best", "ndb.dumps(a, codec='auto')", "blosc2, zstd 1 to 5", 0.98, dict), beside)
    peer, size = small_peer(a)
    keep(run, Goal(f"{name}: small's ratio beside {peer}", "ndb.dumps(a, codec='small')", peer, 0.99, dict), size / len(coded["small"]))
    timed = [
        (f"{name}: auto compresses", "ndb.dumps(a, codec='auto', threads=1)", BLOSC2, 1.5, "x", "auto"),
        (f"{name}: fast compresses", "ndb.dumps(a, codec='fast', threads=1)", "", 0, "GB/s", "fast"),
        (f"{name}: fast decompresses", "ndb.loads(fast, out=out, threads=1)", "", 0, "GB/s", "fast"),
    ]
    for what, ours, peer, wanted, unit, codec in timed:
        check = CHECK.format(codec)
        one(run, GROUP, Goal(what, ours, peer, wanted, dict, check=check, unit=unit, nbytes=a.nbytes, alone=True), names)
        print("  " + told(run.record.goals[-1]), flush=True)
    compress, decompress = (found["measured"] for found in run.record.goals[-2:])
    speeds["compress"].append(compress)
    speeds["decompress"].append(decompress)
    return beside


def blosc2_sizes(blosc2, a: np.ndarray):
    kinds = blosc2.Filter
    for filters in ([kinds.SHUFFLE], [kinds.BITSHUFFLE], [kinds.SHUFFLE, kinds.BYTEDELTA]):
        for level in range(1, 6):
            options = {"codec": blosc2.Codec.ZSTD, "clevel": level, "filters": filters, "typesize": a.itemsize, "nthreads": 1}
            yield len(blosc2.compress2(a, **options))


def small_peer(a: np.ndarray) -> tuple[str, int]:
    """What small is held against, and its size: pcodec at level 8 for what it takes, zstd at level 9 for the rest."""
    pcodec = module("pcodec")
    try:
        config = pcodec.ChunkConfig(compression_level=8)
        return "pcodec 8", len(pcodec.standalone.simple_compress(a.reshape(-1), config))
    except Exception:
        return "zstd 9", len(module("zstandard").ZstdCompressor(level=9).compress(a))


def keep(run: Run, goal: Goal, measured: float | None):
    if measured is None or not math.isfinite(measured):
        run.record.goals.append(row(GROUP, goal) | {"why": "no set was measured"})
    else:
        run.record.goals.append(row(GROUP, goal, measured))
    print("  " + told(run.record.goals[-1]), flush=True)
