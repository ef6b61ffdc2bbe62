"""A length that an input only claims costs no memory, however the input comes."""

import gzip
import io
import subprocess
import sys

import pytest

CHILD = """
import gzip, sys
import numpy as np
import ndbytes as ndb

def resident():
    lines = dict(line.split(":") for line in open("/proc/self/status"))
    return {key: int(lines[key].split()[0]) for key in ("VmHWM", "VmRSS")}

path = sys.argv[1]
data = open(path, "rb").read()
ways = {
    "path": lambda: ndb.load(path, limits=LIMITS),
    "file": lambda: ndb.load(open(path, "rb"), limits=LIMITS),
    "bytes": lambda: ndb.loads(data, limits=LIMITS, require_checksum=False),
}
LIMITS = ndb.Limits(array=1 << 41)
for way in ways:
    for _ in range(2):
        open("/proc/self/clear_refs", "w").write("5")
        before = resident()["VmRSS"]
        try:
            ways[way]()
        except ndb.TruncatedError:
            pass
        more = resident()["VmHWM"] - before
    print(way, more)
"""


def tebibyte(rows):
    """A `.npy` that promises a tebibyte and holds ten bytes of it."""
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({rows},), }}".encode()
    header += b" " * (-(10 + len(header) + 1) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"x" * 10


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("suffix", [".npy", ".npy.gz"])
def test_a_promise_of_a_tebibyte_and_ten_bytes_commit_nothing(suffix, tmp_path):
    data = tebibyte(1 << 40)
    if suffix == ".npy.gz":
        packed = io.BytesIO()
        with gzip.GzipFile(fileobj=packed, mode="wb") as file:
            file.write(data)
        data = packed.getvalue()
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data)
    run = subprocess.run([sys.executable, "-c", CHILD, path], capture_output=True, text=True, check=True)
    peaks = {way: int(kib) for way, kib in map(str.split, run.stdout.splitlines())}
    assert set(peaks) == {"path", "file", "bytes"}
    assert max(peaks.values()) < 1024, peaks  # KiB; a huge page has 2048.
