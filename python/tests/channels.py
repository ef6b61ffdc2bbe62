"""What the tests of channels have in common."""

import socket
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
