"""The data sets: real ones from data/ at their natural size, larger ones made from fixed seeds in the target folder."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .run import Run

REAL = Path(__file__).parents[1] / "data"
M = 1 << 20


def load(run: Run, section: str, name: str) -> np.ndarray | None:
    """A set by its name, made first if need be; None, and listed as missing, if that fails."""
    try:
        return np.load(path(run.data, name))
    except Exception as error:
        run.record.miss(section, name, "all", error)
        return None


def names() -> list[str]:
    return sorted([*MADE, *(f"real_{file.stem}" for file in REAL.glob("*.npy"))])


def path(folder: Path, name: str) -> Path:
    if name.startswith("real_"):
        return REAL / f"{name.removeprefix('real_')}.npy"
    file = folder / f"{name}.npy"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        # Under its name only once it is whole: what is there is taken as it is.
        part = folder / f"{name}.part.npy"
        np.save(part, np.ascontiguousarray(MADE[name](np.random.default_rng([20261124, *name.encode()]))))
        part.replace(file)
    return file


def brownian(rng, shape, dtype):
    """Sums of noise along every axis: smooth, with full mantissas."""
    array = rng.standard_normal(shape, dtype=np.float32).astype(dtype, copy=False)
    for axis in range(array.ndim):
        np.cumsum(array, axis=axis, out=array)
    return array


def timestamps(rng):
    """Nanoseconds, one a millisecond, with 20 µs of jitter."""
    return 1_767_225_600_000_000_000 + np.cumsum(rng.normal(1_000_000, 20_000, 4 * M).astype(np.int64))


def image(rng):
    y, x = np.mgrid[0:4096, 0:4096].astype(np.float32)
    waves = 128 + 60 * np.sin(x / 97) * np.cos(y / 131) + 30 * np.sin((x + y) / 23)
    return np.clip(waves + rng.normal(0, 2, waves.shape), 0, 255).astype(np.uint8)


def audio(rng):
    t = np.arange(8 * M, dtype=np.float32) / 48000
    tones = sum(loud * np.sin(2 * np.pi * hertz * t) for hertz, loud in ((220, 6000), (441.3, 3000), (1203, 900)))
    return (tones * (0.6 + 0.4 * np.sin(2 * np.pi * 0.7 * t)) + rng.normal(0, 60, t.shape)).astype(np.int16)


MADE: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "rand_f64": lambda rng: rng.random(8 * M),
    "walk3d_f32": lambda rng: brownian(rng, (256, 256, 256), np.float32),
    "walk3d_f64": lambda rng: brownian(rng, (128, 128, 256), np.float64),
    "timestamps_i64": timestamps,
    "image_u8": image,
    "audio_i16": audio,
    "mask_bool": lambda rng: rng.random((4096, 4096)) < 0.01,
    "weights_f16": lambda rng: rng.normal(0, 0.02, (4096, 4096)).astype(np.float16),
    "walk2dec_f64": lambda rng: np.round(np.cumsum(rng.normal(0, 1, 4 * M)), 2),
    "noise_u8": lambda rng: rng.integers(0, 256, 16 * M, np.uint8),
    "labels_i32": lambda rng: rng.zipf(1.4, 4 * M).clip(max=50_000).astype(np.int32),
}


def main():
    parser = argparse.ArgumentParser(prog="python -m bench.data", description="Make the larger data sets, all at once.")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for name in MADE:
        print(path(folder, name))


if __name__ == "__main__":
    main()
