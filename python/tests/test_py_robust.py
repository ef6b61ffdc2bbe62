"""What must hold while other things go on: threads that write, Ctrl-C, a million calls, a hook that sees unpickling."""

import gc
import io
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import ndbytes as ndb
from conftest import LONG

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def python(code, *args, **options):
    """A fresh process that runs this code."""
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), *map(str, args)], env=ENVIRONMENT, **options)


class Mutator:
    """A thread that never stops writing to an array."""

    def __init__(self, array):
        self.array, self.stop, self.rounds = array, False, 0
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stop:
            self.array += 1
            self.rounds += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop = True
        self.thread.join()


WRITERS = {
    "npy": lambda a: ndb.dumps(a),
    "frame": lambda a: ndb.dumps(a, codec="none"),
    "strided frame": lambda a: ndb.dumps(a[::-1], codec="none"),
    "buffers": lambda a: b"".join(map(bytes, ndb.buffers(a))),
    "bundle": lambda a: ndb.dumps({"a": a}),
    "gzip": lambda a: ndb.gzip.compress(a),
}


@pytest.mark.parametrize("way", WRITERS)
def test_what_is_written_while_a_thread_writes_verifies(way):
    """Old and new items in any mix, and sums that hold; a sum over the live memory would not."""
    array = np.zeros(1 << 16, "<u4")
    times = {"frame": 1000, "gzip": 20}.get(way, 200)
    mixed = 0
    with Mutator(array) as mutator:
        # On a busy machine the other thread may have had no turn by then.
        for done in range(1, 100 * times):
            data = WRITERS[way](array)
            back = ndb.gzip.decompress(data, dtype="<u4") if way == "gzip" else ndb.loads(data)
            back = back["a"] if way == "bundle" else back
            assert back.shape == array.shape
            mixed += np.ptp(back) != 0
            if done >= times and mutator.rounds >= 20 and mixed:
                break
    assert mixed, "no array was caught in between: nothing was tested"


def test_saves_while_a_thread_writes_verify(tmp_path):
    array = np.zeros(1 << 15, "<u4")
    with Mutator(array):
        for index in range(100_000 if LONG else 1_000):
            path = tmp_path / ("a.ndb" if index % 2 else "a.npy")
            ndb.save(path, array, checksum=True)
            ndb.load(path, require_checksum=True)


LOOP = """
    import sys, time
    import numpy as np, ndbytes as ndb
    path, way = sys.argv[1:]
    arrays = [np.full(16 << 20, value, "u1") for value in range(4)]
    ndb.save(path, arrays[0], checksum=None if way == "npz" else True)
    print("ready", flush=True)
    value, sent = 0, None
    try:
        while True:
            ndb.save(path, arrays[value % 4], checksum=None if way == "npz" else True)
            ndb.load(path)
            value += 1
    except KeyboardInterrupt:
        print(time.monotonic_ns(), flush=True)
"""


@pytest.mark.parametrize("way", ["npy", "ndb", "npz", "npy.gz"])
def test_ctrl_c_at_any_time_leaves_the_old_file_or_the_new_one(way, tmp_path, note):
    """How long it takes is told at the end of the run, and is no failure: the machine may be busy."""
    random = np.random.default_rng(len(way))
    waits = []
    for _ in range(50 if LONG else 8):
        path = tmp_path / f"a.{way}"
        with python(LOOP, path, way, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout.readline() == b"ready\n", process.stderr.read()
            time.sleep(random.random() * 0.2)
            sent = time.monotonic_ns()
            process.send_signal(signal.SIGINT)
            out, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
        waits.append((int(out) - sent) / 1e6)
        found = ndb.load(path)
        found = found["arr_0"] if way == "npz" else found
        assert found.shape == (16 << 20,) and found.min() == found.max()
        assert os.listdir(tmp_path) == [path.name], "something half-written was left"
    note(f"{way}: Ctrl-C answered in {np.median(waits):.0f} ms (median), {max(waits):.0f} ms at most")


WAITS = {
    "recv from a silent socket": "import socket; a, b = socket.socketpair(); print('ready', flush=True); ndb.recv(a)",
    "send to one that does not read":
        "import socket; a, b = socket.socketpair(); print('ready', flush=True); ndb.send(a, np.zeros(1 << 26, 'u1'))",
    "recv from a pipe": "import os; r, w = os.pipe(); f = os.fdopen(r, 'rb', 0); print('ready', flush=True); ndb.recv(f)",
    "load from a FIFO nobody writes to":
        "import os, sys; os.mkfifo(sys.argv[1]); print('ready', flush=True); ndb.load(sys.argv[1])",
    # A loop that is C all through: signals are heard inside of the calls, or never.
    "tobytes again and again": "a = np.zeros((1 << 14, 1 << 14), 'u1').T; print('ready', flush=True); for_ever(ndb.tobytes, a)",
    # Work without an end that takes no memory.
    "compress much": "a = np.broadcast_to(np.uint8(0), 1 << 42); print('ready', flush=True); ndb.zlib.compress(a, 9)",
    "send much": "a = np.broadcast_to(0.0, 1 << 42); f = open('/dev/null', 'wb', 0); print('ready', flush=True); ndb.send(f, a)",
    "diff much": "a = np.broadcast_to(0.0, 1 << 42); print('ready', flush=True); ndb.diff(a, a)",
    "verify much":
        "import sys; f = open(sys.argv[1], 'wb'); np.lib.format.write_array_header_1_0(f, {'descr': '|u1', 'shape': (1 << 40,), "
        "'fortran_order': False}); f.truncate(f.tell() + (1 << 40)); f.close(); print('ready', flush=True); ndb.verify(f.name)",
}


@pytest.mark.parametrize("what", WAITS)
def test_ctrl_c_ends_every_wait(what, tmp_path):
    lines = "\n".join("    " + line for line in WAITS[what].split("; "))
    code = ("import collections, itertools, numpy as np, ndbytes as ndb\n"
            "def for_ever(call, a): collections.deque(map(call, itertools.repeat(a)), maxlen=0)\n"
            f"try:\n{lines}\nexcept KeyboardInterrupt:\n    print('heard', flush=True)\n")
    with subprocess.Popen([sys.executable, "-c", code, tmp_path / "file"], env=ENVIRONMENT, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == b"ready\n", process.stderr.read()
            time.sleep(0.3)  # For it to be inside; were it not yet, it would end as well.
            process.send_signal(signal.SIGINT)
            out, error = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (out, process.returncode) == (b"heard\n", 0), error


SOAK = """
    import sys
    import numpy as np, ndbytes as ndb

    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    a = np.arange(100, dtype=">i4").reshape(10, 10)[::2]
    r = np.zeros(3, [("x", "u1"), ("y", "<f8")])
    out = np.empty_like(a)
    checked, frame = ndb.dumps(a), ndb.dumps(r, codec="none")

    def rounds(times):
        for _ in range(times):
            ndb.loads(ndb.dumps(a))
            ndb.loads(ndb.dumps(r, codec="none"))
            ndb.loads(checked, out=out)
            ndb.loads(frame, copy=False)
            ndb.tobytes(a, "F")
            try:
                ndb.loads(checked[:-1])
            except ndb.TruncatedError:
                pass

    times = int(sys.argv[1])
    rounds(times // 5)
    before = resident()
    rounds(times)
    print(resident() - before, sys.getrefcount(a.dtype) < 1000)
"""


def test_a_million_calls_keep_no_memory(note):
    times = 1_000_000 if LONG else 25_000
    with python(SOAK, times, stdout=subprocess.PIPE) as process:
        grown, counted = process.communicate(timeout=3600)[0].split()
    note(f"{times:,} rounds of loads and dumps: {int(grown) / 1024:.0f} KiB more")
    assert int(grown) <= 1 << 20 and counted == b"True"


def descriptors():
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


def test_no_descriptor_is_kept(tmp_path):
    import socket

    array = np.arange(1000.0)
    path = tmp_path / "a.npy"

    def everything():
        for name in ("a.npy", "a.ndb", "a.npz", "a.npy.gz"):
            ndb.save(tmp_path / name, array)
            ndb.load(tmp_path / name)
        for call in (lambda: ndb.load(tmp_path / "missing"), lambda: ndb.load(path, expect="<f4"),
                     lambda: ndb.save(path, array, name="no"), lambda: ndb.open(path, "r+", expect="<f4")):
            with pytest.raises((ndb.Error, OSError, TypeError)):
                call()
        a, b = socket.socketpair()
        with a, b:
            ndb.send(a, array)
            ndb.recv(b)
        with ndb.open(path, "r") as handle:
            handle[3:5]
        ndb.load(path, mmap="r")[0]
        ndb.info(path), ndb.verify(path)

    everything()
    before = descriptors()
    for _ in range(50):
        everything()
    assert descriptors() == before


def test_reading_never_unpickles():
    """Whatever comes in, the unpickler is not called; the control shows that the hook would see it."""
    code = """
    import io, pickle, sys
    import numpy as np
    seen = []
    sys.addaudithook(lambda event, args: seen.append(event) if event in ("pickle.find_class", "marshal.loads", "exec", "compile") else None)
    import ndbytes as ndb, ndbytes.numpy as npio
    class Evil:
        def __reduce__(self):
            return (print, ("code ran",))
    file = io.BytesIO()
    np.save(file, np.array([Evil()], object), allow_pickle=True)
    data = file.getvalue()
    archive = io.BytesIO()
    np.savez(archive, a=np.array([Evil()], object))
    seen.clear()
    for given in (data, pickle.dumps(Evil()), archive.getvalue()):
        for call in (lambda: ndb.loads(given, require_checksum=False), lambda: ndb.load(io.BytesIO(given)),
                     lambda: npio.load(io.BytesIO(given)), lambda: npio.load(io.BytesIO(given))["a"],
                     lambda: npio.format.read_array(io.BytesIO(given)), lambda: ndb.verify(given), lambda: ndb.info(given),
                     lambda: ndb.recv(io.BytesIO(given)), lambda: ndb.recv(io.BytesIO(given), npy=True)):
            try:
                call()
            except (ValueError, OSError, KeyError, EOFError) as error:
                pass
    assert "pickle.find_class" not in seen, seen
    seen.clear()
    np.load(io.BytesIO(data), allow_pickle=True)
    assert "pickle.find_class" in seen
    """
    with python(code, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        out, error = process.communicate(timeout=60)
    assert process.returncode == 0, error.decode()
    assert out == b"code ran\n", "once, by the control"
