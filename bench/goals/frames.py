"""A camera: frames of 1080p RGB, 60 a second, from one process to another. How late each is, and how old what a slow consumer gets."""

from __future__ import annotations

import multiprocessing as mp
import pickle
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import ndbytes as ndb
import numpy as np

from ..run import Run
from .goal import Goal, keep, row, told

GROUP = "channels"
SHAPE = (1080, 1920, 3)
RATE = 60
#: Frames of one way, and how many of the first are left out: buffers and windows grow with them.
NUMBER, QUICK, FIRST = 300, 60, 10

TCP, UNIX, SHM, ZMQ, ZMQ_IPC = "channel.send over tcp://", "channel.send over unix:", "born in ndb.shm, over unix:", "pyzmq tcp://, copy=False", "pyzmq ipc://, copy=False"


class Ours:
    """A producer connects to a consumer that listens."""

    def __init__(self, url: str, shared: bool = False):
        self.url, self.shared = url, shared

    def sender(self) -> Callable[[np.ndarray, int], None]:
        channel = ndb.connect(self.url)
        return lambda frame, at: channel.send(frame, {"at": at})

    def frame(self, source: np.ndarray) -> np.ndarray:
        """Memory of a frame that a camera has just filled."""
        if not self.shared:
            return source
        frame = ndb.shm.empty(source.shape, source.dtype)
        frame[...] = source
        return frame

    def received(self, number: int, listening: Callable[[Ours], None]) -> Iterator[tuple[int, np.ndarray]]:
        with ndb.listen(self.url) as listener:
            self.url = listener.url
            listening(self)
            for _ in range(number):
                message = listener.recv(timeout=20)
                yield message.attrs["at"], message.array


class Zmq:
    """The same by a pair of sockets that push and pull; dtype and shape are known to both."""

    def __init__(self, url: str):
        self.url = url

    def sender(self):
        import zmq

        socket = zmq.Context.instance().socket(zmq.PUSH)
        socket.connect(self.url)
        return lambda frame, at: socket.send_multipart([pickle.dumps(at), frame], copy=False)

    def frame(self, source):
        # What is sent without a copy is not to change while it waits.
        return source.copy()

    def received(self, number, listening):
        import zmq

        with zmq.Context() as context, context.socket(zmq.PULL) as socket:
            socket.linger = 0
            socket.rcvtimeo = 20_000
            socket.bind(self.url)
            self.url = socket.last_endpoint.decode()
            listening(self)
            for _ in range(number):
                at, frame = socket.recv_multipart(copy=False)
                yield pickle.loads(at.buffer), np.frombuffer(frame.buffer, np.uint8).reshape(SHAPE)


def camera(way: Ours | Zmq, number: int):
    """Sends so many frames, each when it is due."""
    source = np.random.default_rng(0).integers(0, 256, SHAPE, np.uint8)
    send, start = way.sender(), time.perf_counter() + 0.3
    for at in range(number):
        time.sleep(max(0, start + at / RATE - time.perf_counter()))
        source[0, 0, 0] = at % 256
        frame = way.frame(source)
        send(frame, time.perf_counter_ns())
    time.sleep(0.5)


def filming(way: Ours | Zmq, number: int) -> mp.Process:
    process = mp.get_context("spawn").Process(target=camera, args=(way, number))
    process.start()
    return process


def section(run: Run):
    number = QUICK if run.quick else NUMBER
    late(run, number)
    newest(run, number)


def late(run: Run, number: int):
    """Seconds from when a frame was ready to when all of it is an array of the other process."""
    folder = Path(run.work)
    ways = {
        TCP: Ours("tcp://127.0.0.1:0"), UNIX: Ours(f"unix:{folder}/frames"), SHM: Ours(f"unix:{folder}/shared-frames", shared=True),
        ZMQ: Zmq("tcp://127.0.0.1:*"), ZMQ_IPC: Zmq(f"ipc://{folder}/zmq-frames"),
    }
    taken, extra = {}, {}
    for name, way in ways.items():
        try:
            times = latencies(way, number)
        except Exception as error:
            run.record.miss("H", "frames", name, error)
            continue
        middle, last = np.percentile(times, [50, 99]) * 1e6
        taken[name], extra[name] = times, {"p50_us": float(middle), "p99_us": float(last)}
        print(f"  1080p RGB, 60 a second, {name}: p50 {middle:.0f} µs, p99 {last:.0f} µs", flush=True)
    run.record.add("H", "a frame of 1080p RGB, 60 a second, until it is an array", taken, int(np.prod(SHAPE)), ZMQ, extra)


def latencies(way: Ours | Zmq, number: int) -> list[float]:
    processes, times = [], []
    try:
        for at, (sent, frame) in enumerate(way.received(number, lambda way: processes.append(filming(way, number)))):
            times.append((time.perf_counter_ns() - sent) / 1e9)
            if frame.shape != SHAPE or frame[0, 0, 0] != at % 256:
                raise ValueError("another frame came")
    finally:
        for process in processes:
            process.join(20)
            process.kill()
    return times[FIRST:]


def newest(run: Run, number: int):
    """How old the oldest frame is that a consumer gets who takes ten a second."""
    for url in ("tcp://127.0.0.1:0", f"unix:{run.work}/newest"):
        kind = url.partition(":")[0]
        goal = Goal(f"keep=\"latest\", a consumer at 10 a second: the oldest of what it gets, {kind}", "listener.recv()", "", 1.5e6 / RATE,
                    dict, unit="µs", nbytes=int(np.prod(SHAPE)))
        try:
            ages = served(url, number)
            keep(run, GROUP, goal, {"ours": [max(ages)]}, served=len(ages))
        except Exception as error:
            run.record.goals.append(row(GROUP, goal) | {"why": f"{type(error).__name__}: {error}"[:200]})
        print("  " + told(run.record.goals[-1]), flush=True)


def served(url: str, number: int) -> list[float]:
    """Seconds since each frame was ready, when the consumer gets it."""
    with ndb.listen(url, keep="latest") as listener:
        process, ages = filming(Ours(listener.url), number), []
        try:
            listener.recv(timeout=20)
            while len(ages) < number * 10 // RATE - 5:
                time.sleep(0.1)
                message = listener.recv(timeout=5)
                ages.append((time.perf_counter_ns() - message.attrs["at"]) / 1e9)
                if message.array.shape != SHAPE:
                    raise ValueError("another frame came")
        finally:
            process.join(20)
            process.kill()
    return ages
