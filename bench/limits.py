"""P: what this machine can do at most: limits.c, compiled and run, and iperf3 where there is one."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from pathlib import Path

from .run import Run

SOURCE = Path(__file__).with_name("limits.c")


def section(run: Run):
    try:
        program = compiled(run.work)
        command = [program, run.work, *(["quick"] if run.quick else [])]
        lines = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=300).stdout.splitlines()
    except Exception as error:
        run.record.miss("P", "all", "limits.c", error)
        lines = []
    for line in lines:
        found = json.loads(line)
        seconds = found["seconds"]
        tail = {"p50_us": seconds * 1e6, "p99_us": found["p99"] * 1e6} if "p99" in found else {}
        add(run, found["limit"], "limits.c", found["nbytes"], seconds, found["gbps"], best_gbps=found["best_gbps"], **tail)
    try:
        add(run, "iperf3 one stream, loopback", "iperf3", 0, 3.0, iperf3())
    except Exception as error:
        run.record.miss("P", "iperf3 one stream, loopback", "iperf3", error)


def add(run: Run, limit: str, by: str, nbytes: int, seconds: float, gbps: float, **more):
    run.record.results.append({
        "section": "P", "workload": limit, "contender": by, "nbytes": nbytes, "rounds": 1, "median_s": seconds,
        "min_s": seconds, "max_s": seconds, "gbps": gbps, "ratio": 1.0, "ref": by, **more,
    })


def compiled(folder: Path) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        raise FileNotFoundError("no C compiler (cc)")
    program = folder / "limits"
    subprocess.run([compiler, "-O3", "-march=native", "-pthread", SOURCE, "-o", program], check=True, capture_output=True)
    return program


def iperf3() -> float:
    """GB/s of one stream."""
    if shutil.which("iperf3") is None:
        raise FileNotFoundError("not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    server = subprocess.Popen(["iperf3", "-s", "-1", "-B", "127.0.0.1", "-p", port], stdout=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        client = ["iperf3", "-c", "127.0.0.1", "-p", port, "-t", "3", "-J"]
        found = json.loads(subprocess.run(client, stdout=subprocess.PIPE, text=True, timeout=30).stdout)
        return found["end"]["sum_received"]["bits_per_second"] / 8e9
    finally:
        server.kill()
        server.wait()
