"""Processes made while ndbytes is at work in threads: `python forks.py fork|mp-fork|mp-spawn|mp-forkserver TIMES`.

Each child runs every public function. One that hangs says where and ends; then this process fails.
"""

import faulthandler
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
import traceback

import numpy as np

import ndbytes as ndb
import ndbytes.numpy as npio
import smoke

LARGE = np.arange(1_000_000, dtype="f8").reshape(1000, -1).T


def child(mapped=None):
    """Every function; and a map that the parent holds, where the child has it too."""
    faulthandler.dump_traceback_later(smoke.WATCHDOG_SECONDS, exit=True)
    smoke.every()
    if mapped is not None:
        smoke.same(mapped, LARGE)
    faulthandler.cancel_dump_traceback_later()


def fork(mapped):
    pid = os.fork()
    if pid == 0:
        # Neither the parent's clean-up nor its exit: this is the child.
        try:
            child(mapped)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
    deadline = time.monotonic() + smoke.WATCHDOG_SECONDS + 5
    while (ended := os.waitpid(pid, os.WNOHANG)) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise AssertionError("fork: the child hung, and so did its watchdog")
        time.sleep(0.005)
    assert ended[1] == 0, f"fork: wait status {ended[1]}"


def process(method):
    started = multiprocessing.get_context(method).Process(target=child)
    started.start()
    started.join(smoke.WATCHDOG_SECONDS + 5)
    code = started.exitcode
    if code is None:
        started.kill()
    assert code == 0, f"{method}: exit code {code}"


def busy(stop):
    """Large calls without the GIL, which hold no lock of Python's when the process is copied."""
    data = ndb.dumps(LARGE)
    out = np.empty(LARGE.shape, LARGE.dtype, order="F")
    while not stop.is_set():
        ndb.tobytes(LARGE)
        ndb.loads(data, out=out)


def main(method, times):
    smoke.every()
    with tempfile.TemporaryDirectory() as folder:
        npio.save(f"{folder}/large.npy", LARGE)
        mapped = npio.load(f"{folder}/large.npy", mmap_mode="r")
    stop = threading.Event()
    threads = [threading.Thread(target=busy, args=(stop,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(times):
            fork(mapped) if method == "fork" else process(method.removeprefix("mp-"))
    finally:
        stop.set()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
