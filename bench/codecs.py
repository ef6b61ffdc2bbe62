"""D: compression in memory, each codec over the same bytes."""

from __future__ import annotations

import concurrent.futures
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ndbytes as ndb
import numpy as np

from . import data
from .goals import codecs as goals
from .goals import parts
from .figures import MiB
from .measure import Effort, calls
from .run import Contender, Run, module

QUICK = ("walk3d_f32", "real_diamonds_f64", "timestamps_i64")
SLOW = ("zlib 9", "zstd 9")


@dataclass(frozen=True, kw_only=True)
class Codec(Contender):
    enc: Callable[[np.ndarray], Any]
    #: What was encoded, and the array for codecs that must be told its size.
    dec: Callable[[Any, np.ndarray], Any]
    threads: int = 1


def section(run: Run):
    goals.sets(run)
    parts.section(run)
    codecs = build(run)
    for name in QUICK if run.quick else data.names():
        full = data.load(run, "D", name)
        if full is None:
            continue
        full = full.reshape(-1)
        count = min(full.size, (2 if run.quick else 4) * MiB // full.itemsize)
        middle = (full.size - count) // 2
        one_set(run, name, full[middle : middle + count].copy(), codecs)


def one_set(run: Run, name: str, array: np.ndarray, codecs: list[Codec]):
    enc, dec, extra = {}, {}, {}
    for codec in codecs:
        if run.quick and codec.name in SLOW:
            run.record.miss("D", name, codec.name, "not in a quick run")
            continue
        try:
            coded = codec.enc(array)
            if memoryview(codec.dec(coded, array)).cast("B") != raw(array):
                raise ValueError("the round trip is not exact")
        except Exception as error:
            run.record.miss("D", name, codec.name, error)
            continue
        size = sum(memoryview(part).nbytes for part in (coded if isinstance(coded, list) else [coded]))
        extra[codec.name] = {"size": size, "comp": array.nbytes / size, "threads": codec.threads}
        enc[codec.name] = calls(lambda c=codec: c.enc(array))
        dec[codec.name] = calls(lambda c=codec, b=coded: c.dec(b, array))
    effort = Effort(min(run.rounds, 3) if run.quick else run.rounds, budget=0, sample=0.001)
    run.record.add("D", f"{name} compress", run.compare(enc, effort), array.nbytes, "zlib 6", extra)
    run.record.add("D", f"{name} decompress", run.compare(dec, effort), array.nbytes, "zlib 6", extra)


def build(run: Run) -> list[Codec]:
    codecs = []
    for needs, names, make in CODECS:
        absent = [name for name in needs.split() if module(name) is None]
        if absent:
            run.record.miss("D", "all", ", ".join(names), f"no package {', '.join(absent)}")
            continue
        for name in names:
            enc, dec, threads = make(name)
            codecs.append(Codec(name=name, enc=enc, dec=dec, threads=threads))
            if name in HALVED:
                codecs.append(two_threads(codecs[-1]))
    return codecs


#: Also over four slices on two threads: those that let go of the interpreter's lock gain by it.
HALVED = ("ndb.zlib 6", "zlib 6", "isal 1", "zstd 3", "pcodec 8")
POOL = concurrent.futures.ThreadPoolExecutor(2)


def two_threads(codec: Codec) -> Codec:
    def parts(array):
        return np.array_split(array.reshape(-1), 4)

    def enc(array):
        return list(POOL.map(codec.enc, parts(array)))

    def dec(coded, array):
        return b"".join(memoryview(part).cast("B") for part in POOL.map(codec.dec, coded, parts(array)))

    return Codec(name=f"{codec.name} x2T", enc=enc, dec=dec, threads=2)


def raw(array):
    return memoryview(array.reshape(-1).view(np.uint8))


def level(name: str) -> int:
    return int(name.rsplit(" ", 1)[1])


def ndb_zlib(name):
    return (lambda a: ndb.zlib.compress(a, level=level(name)),
            lambda b, a: ndb.zlib.decompress(b, dtype=a.dtype, shape=a.shape), 1)


def ndb_codec(name):
    codec = name.split(" ")[1]
    return lambda a: ndb.dumps(a, codec=codec, threads=1), lambda b, a: ndb.loads(b, threads=1), 1


def zlib_like(where):
    engine = module(where)
    return lambda name: (lambda a: engine.compress(raw(a), level(name)), lambda b, a: engine.decompress(b), 1)


def shuffle_zlib(name):
    shuffle = module("numcodecs").Shuffle
    return (lambda a: zlib.compress(shuffle(a.itemsize).encode(a.reshape(-1)), level(name)),
            lambda b, a: shuffle(a.itemsize).decode(zlib.decompress(b)), 1)


def libdeflate(name):
    deflate = module("deflate")
    return lambda a: deflate.zlib_compress(raw(a), level(name)), lambda b, a: deflate.zlib_decompress(b, a.nbytes), 1


def zstd(name):
    zstandard = module("zstandard")
    return (lambda a: zstandard.ZstdCompressor(level=level(name)).compress(raw(a)),
            lambda b, a: zstandard.ZstdDecompressor().decompress(b), 1)


def lz4(_):
    block = module("lz4.block")
    return lambda a: block.compress(raw(a), store_size=False), lambda b, a: block.decompress(b, uncompressed_size=a.nbytes), 1


def numcodecs_blosc(name):
    blosc = module("numcodecs.blosc")
    _, engine, shuffle = name.split(" ")
    codec = blosc.Blosc(cname=engine, clevel=5, shuffle={"shuffle": 1, "bitshuffle": 2}[shuffle])

    def alone(work):
        blosc.use_threads = False
        return work

    return lambda a: alone(codec).encode(a), lambda b, a: alone(codec).decode(b), 1


def blosc2(name):
    b2 = module("blosc2")
    _, engine, filters, *more = name.split(" ")
    threads = 2 if "x2T" in more else 1
    chosen = [getattr(b2.Filter, part.upper()) for part in filters.split("+")]
    codec = getattr(b2.Codec, engine.rstrip("5").upper())

    def enc(a):
        b2.set_nthreads(threads)
        return b2.compress2(a.reshape(-1), codec=codec, clevel=5, filters=chosen, filters_meta=[0] * len(chosen),
                            typesize=a.itemsize, nthreads=threads)

    return enc, lambda b, a: b2.decompress2(b, nthreads=threads), threads


def pcodec(name):
    pco = module("pcodec")
    config = pco.ChunkConfig(compression_level=level(name))

    def enc(a):
        return pco.standalone.simple_compress((a.view(np.uint8) if a.dtype == bool else a).reshape(-1), config)

    return enc, lambda b, a: pco.standalone.simple_decompress(b), 1


BLOSC2 = [f"blosc2 {engine}{threads}" for engine in ("lz4 shuffle", "zstd5 shuffle", "zstd5 bitshuffle", "zstd5 shuffle+bytedelta")
          for threads in ("", " x2T")]
#: The modules it needs, the names of its levels or modes, and what makes (encode, decode, threads) of such a name.
CODECS = [
    ("", ["ndb fast", "ndb auto", "ndb small"], ndb_codec),
    ("", ["ndb.zlib 1", "ndb.zlib 6", "ndb.zlib 9"], ndb_zlib),
    ("", ["zlib 1", "zlib 6", "zlib 9"], zlib_like("zlib")),
    ("numcodecs", ["shuffle+zlib 6"], shuffle_zlib),
    ("zlib_ng.zlib_ng", ["zlib-ng 1", "zlib-ng 6"], zlib_like("zlib_ng.zlib_ng")),
    ("isal.isal_zlib", ["isal 1", "isal 3"], zlib_like("isal.isal_zlib")),
    ("deflate", ["libdeflate 1", "libdeflate 6"], libdeflate),
    ("zstandard", ["zstd 1", "zstd 3", "zstd 9"], zstd),
    ("lz4.block", ["lz4"], lz4),
    ("numcodecs.blosc", [f"numcodecs.Blosc {mode}" for mode in ("lz4 shuffle", "lz4 bitshuffle", "zstd shuffle", "zstd bitshuffle")],
     numcodecs_blosc),
    ("blosc2", BLOSC2, blosc2),
    ("pcodec", ["pcodec 4", "pcodec 8"], pcodec),
]
