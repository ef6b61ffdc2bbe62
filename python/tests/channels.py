"""What the tests of channels have in common."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from streams import PATIENCE

SMALL = np.arange(12, dtype="<i4").reshape(3, 4)


def sending(work):
    """Work in a thread; a function that gives its result, or raises its error."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(work)
    pool.shutdown(wait=False)
    return lambda: future.result(PATIENCE)


def raw(url):
    """A plain socket, connected to a listener."""
    if url.startswith("unix:"):
        peer = socket.socket(socket.AF_UNIX)
        peer.connect(url.removeprefix("unix:"))
        return peer
    host, port = url.removeprefix("tcp://").split(":")
    return socket.create_connection((host, int(port)))


def flushed(listener):
    """Has a listener look at its peers once more."""
    with pytest.raises(TimeoutError):
        listener.recv(timeout=0)
    return True


def until(holds):
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it never was so"
        time.sleep(0.005)


def relayed(to, spoil):
    """A relay of datagrams on the way to a listener: `spoil` says what becomes of each, by its number."""
    relay, out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    relay.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    relay.bind(("127.0.0.1", 0))
    host, port = to.removeprefix("udp://").split(":")

    def run():
        with relay, out:
            at = 0
            while datagram := relay.recv(2000):
                for one in spoil(at, datagram):
                    out.sendto(one, (host, int(port)))
                at += 1

    threading.Thread(target=run, daemon=True).start()
    return relay, f"udp://127.0.0.1:{relay.getsockname()[1]}"


def stop(relay):
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"", relay.getsockname())
