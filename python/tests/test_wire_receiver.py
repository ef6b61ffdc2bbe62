"""A receiver that was written from spec/WIRE.md and spec/FORMAT.md alone, with Python's standard library, hears what ndbytes sends."""

import hashlib
import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import ndbytes as ndb
from cases import DTYPES, make
from streams import PATIENCE

RECEIVER = Path(__file__).parents[2] / "spec/receiver.py"


class Peer:
    """The receiver as a process."""

    def __init__(self, *args):
        line = [sys.executable, RECEIVER, *map(str, args)]
        self.process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.where = self.process.stdout.readline().removeprefix("listening on ").strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def done(self):
        """What it printed until it ended by itself."""
        out, err = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0, err
        return [json.loads(line) for line in out.splitlines()]


def told(name, array):
    """What it prints of an array."""
    order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    sha256 = hashlib.sha256(array.tobytes(order)).hexdigest()
    # Bytes that hold no value, between fields or in long doubles, are not sent as they lie in memory.
    if array.dtype.names is not None or array.dtype.char in "gG":
        frame = b"".join(map(bytes, ndb.buffers(array)))
        start = int.from_bytes(frame[12:16], "little")
        sha256 = hashlib.sha256(frame[start : start + array.nbytes]).hexdigest()
    return {"name": name, "shape": list(array.shape), "order": order, "sha256": sha256}


def without_dtype(message):
    return [{key: value for key, value in array.items() if key != "dtype"} for array in message["arrays"]]


def groups():
    everything = [make(dtype, shape) for dtype in DTYPES.values() for shape in [(3, 5), (), (4, 0)]]
    everything += [make(np.dtype("<f4"), (5, 3)).T, np.arange(300_000.0)]
    return [{f"a{n}": array for n, array in enumerate(everything[at : at + 9])} for at in range(0, len(everything), 9)]


def check(found, sent):
    assert [message["seq"] for message in found] == list(range(len(sent)))
    for at, (message, group) in enumerate(zip(found, sent)):
        assert message["attrs"] == {"at": at}
        assert without_dtype(message) == [told(name, array) for name, array in group.items()]


@pytest.mark.parametrize("kind", ["tcp", "unix"])
@pytest.mark.parametrize("reconnect", [False, True])
def test_messages_over_connections(kind, reconnect, tmp_path):
    with Peer(kind, 0 if kind == "tcp" else tmp_path / "socket") as peer:
        url = f"tcp://{peer.where}" if kind == "tcp" else f"unix:{peer.where}"
        with ndb.connect(url, reconnect=reconnect) as channel:
            for at, group in enumerate(groups()):
                channel.send(group, attrs={"at": at})
            stats = channel.stats
        check(peer.done(), groups())
        assert stats["lost"] == 0


def test_what_was_used_is_confirmed():
    with Peer("tcp", 0) as peer, ndb.connect(f"tcp://{peer.where}", reconnect=True) as channel:
        for at in range(5):
            channel.send(np.arange(at))
        channel.flush(PATIENCE)
        assert channel.stats["confirmed"] == 5
        channel.close()
        assert len(peer.done()) == 5


def spoiled(to, seed):
    """A relay that loses and doubles datagrams, and damages some."""
    random = np.random.default_rng(seed)
    relay = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    relay.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    relay.bind(("127.0.0.1", 0))

    def run():
        with relay:
            while datagram := relay.recv(2000):
                chance = random.random()
                if chance < 0.05:
                    continue
                if chance < 0.08:
                    datagram = datagram[:50] + bytes([datagram[50] ^ 1]) + datagram[51:]
                relay.sendto(datagram, to)
                if chance > 0.9:
                    relay.sendto(datagram, to)

    threading.Thread(target=run, daemon=True).start()
    return relay


@pytest.mark.parametrize("loss", [0, 0.1])
def test_messages_over_datagrams(loss):
    sent = groups()[:4] + [{"large": np.random.default_rng(1).random(20_000)}]
    with Peer("udp", 0, len(sent)) as peer:
        host, port = peer.where.split(":")
        to = (host, int(port))
        relay = spoiled(to, 5) if loss else None
        if relay:
            to = relay.getsockname()
        with ndb.connect(f"udp://{to[0]}:{to[1]}", loss=loss, rate=1e6) as channel:
            for at, group in enumerate(sent):
                channel.send(group, attrs={"at": at})
        found = peer.done()
        if relay:
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"", to)
        check(sorted(found, key=lambda message: message["seq"]), sent)
