"""E: TCP on loopback between two processes: an array there, a short answer back."""

from __future__ import annotations

import contextlib
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from . import channels, flight, transports
from .figures import GiB, KiB, MiB, Samples, rotated, size_label
from .measure import calls, same
from .run import Contender, Run

NET = {
    "sendall(tobytes), recv(4096) joined": transports.Joined,
    "sendall(tobytes), recv(65536) joined": transports.Joined64K,
    "sendmsg, recv_into np.empty": transports.Into,
    "sendmsg, recv_into reused": transports.Reused,
    "ndb.send, ndb.recv": transports.Ours,
    "ndb.send, ndb.recv(out=) reused": transports.OursReused,
    "channel.send, recv(out) reused": channels.Channel,
    "the same over unix:": channels.UnixChannel,
    "the same within TLS": channels.TlsChannel,
    "the same by ndb.aio": channels.AioChannel,
    "multiprocessing Connection (pickle)": transports.PickleConnection,
    "pyzmq copy=False": transports.Zmq,
    "Flight do_exchange": flight.Flight,
    "Flight do_put, do_get": flight.FlightPutGet,
    "HTTP, np.save": transports.Http,
}
REFERENCE = "sendmsg, recv_into reused"
#: Seconds a call at 1 GiB; they say at 64 MiB what they have to say.
SLOW = ("sendall(tobytes), recv(4096) joined", "sendall(tobytes), recv(65536) joined", "multiprocessing Connection (pickle)",
        "Flight do_put, do_get", "HTTP, np.save")


def section(run: Run):
    with connected(run, "E", list(NET)) as clients:
        if not clients:
            return
        round_trips(run, clients)
        for nbytes in (1 * MiB, 64 * MiB) if run.quick else (1 * MiB, 64 * MiB, 1 * GiB):
            array, label = np.arange(nbytes // 8, dtype=np.float64), size_label(nbytes)
            cases = {}
            for name, client in clients.items():
                if nbytes >= GiB and name in SLOW:
                    run.record.miss("E", label, name, "too slow at this size")
                else:
                    cases[name] = calls(lambda c=client: c.call(array))
            effort = run.effort(budget=4, at_most=11, sample=0.02)
            run.record.add("E", label, run.compare(cases, effort), nbytes, REFERENCE)


def round_trips(run: Run, clients: dict):
    """1 KiB there and the same back, one by one, for the spread as well as the middle."""
    rounds, extra = trips(run, clients), {}
    for name, parts in rounds.items():
        times = np.concatenate(parts) * 1e6
        middle, late = np.percentile(times, [50, 99])
        extra[name] = {"p50_us": float(middle), "p99_us": float(late), "msgs_per_s": 1e6 / float(times.mean())}
    run.record.add("E", "1 KiB round trip", middles(rounds), 1 * KiB, REFERENCE, extra)


def trips(run: Run, clients: dict) -> dict[str, list[list[float]]]:
    """Seconds of each of some hundred round trips of 1 KiB, by round and contender."""
    array, number = np.random.default_rng(0).random(128), 300 if run.quick else 1000
    rounds: dict[str, list[list[float]]] = {name: [] for name in clients}
    for done in range(run.rounds):
        for name in rotated(list(clients), done):
            rounds[name].append(trip_times(clients[name].call, array, number))
    return rounds


def middles(rounds: dict[str, list[list[float]]]) -> Samples:
    """The median trip of each round."""
    return {name: [statistics.median(part) for part in parts] for name, parts in rounds.items()}


def trip_times(call, array, number: int) -> list[float]:
    for _ in range(20):
        call(array)
    times = []
    for _ in range(number):
        start = time.perf_counter()
        call(array)
        times.append(time.perf_counter() - start)
    return times


@contextlib.contextmanager
def connected(run: Run, section: str, names: list[str]) -> Iterator[dict]:
    """The near sides of the transports that are there, each with its server in a process of its own."""
    servers, clients = [], {}
    try:
        for contender in run.here(section, [Contender(name=name, needs=NET[name].needs) for name in names]):
            try:
                command = [sys.executable, "-m", "bench.net", contender.name]
                server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1])
                servers.append(server)
                client = NET[contender.name]()
                client.connect(int(server.stdout.readline()))
                for nbytes in (1 * KiB, 3 * MiB + 1):
                    probe = np.random.default_rng(nbytes).integers(0, 256, nbytes, np.uint8)
                    if not same(client.call(probe), transports.answer(probe)):
                        raise ValueError("the round trip is not exact")
                clients[contender.name] = client
            except Exception as error:
                run.record.miss(section, "all", contender.name, error)
        yield clients
    finally:
        for server in servers:
            server.terminate()
        for server in servers:
            try:
                server.wait(2)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


if __name__ == "__main__":
    # What it listens at goes with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    NET[sys.argv[1]]().serve(lambda port: print(port, flush=True))
