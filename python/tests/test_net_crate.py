"""Channels of Python and of the crate ndbytes-net, whose example `echo` sends everything back."""

import os
import signal
import subprocess

import numpy as np
import pytest

import ndbytes as ndb
from channels import SMALL, sending
from conftest import program
from streams import PATIENCE, arrays, assert_same


@pytest.fixture
def echo():
    """Starts the example; gives the process, and the address that it prints where it listens."""
    path = program("NDBYTES_NET_ECHO", "the example `echo` of the crate ndbytes-net")
    processes = []

    def start(*args):
        process = subprocess.Popen([path, *args], stdout=subprocess.PIPE, text=True)
        processes.append(process)
        return process, None if args[0] == "connect" else process.stdout.readline().strip()

    yield start
    for process in processes:
        process.kill()
        process.wait(PATIENCE)
        process.stdout.close()


@pytest.fixture(params=["tcp", "unix"])
def url(request, tmp_path):
    return "tcp://127.0.0.1:0" if request.param == "tcp" else f"unix:{tmp_path}/socket"


def conversation(channel):
    """Groups of every dtype and layout, then many small ones under way at a time, then a large one; all come back as they went."""
    everything = [array for _, array in arrays()]
    groups = [dict(zip("abcdefg", everything[at : at + 7])) for at in range(0, len(everything), 7)]
    for at, group in enumerate(groups):
        channel.send(group, attrs={"at": at})
        back = channel.recv(timeout=PATIENCE)
        assert (back.attrs, list(back.arrays)) == ({"at": at}, list(group))
        for name, array in group.items():
            assert_same(back[name], array)

    def work():
        for at in range(10_000):
            channel.send(SMALL + at)

    join = sending(work)
    for at in range(10_000):
        assert (channel.recv(timeout=PATIENCE).array == SMALL + at).all()
    join()
    large = np.random.default_rng(5).integers(0, 256, (1 << 24,), "u1")
    join = sending(lambda: channel.send(large))
    assert (channel.recv(timeout=PATIENCE).array == large).all()
    join()


@pytest.mark.parametrize("reconnect", [False, True])
def test_python_connects_to_a_task(echo, url, reconnect):
    process, at = echo("listen", url)
    with ndb.connect(at, reconnect=reconnect) as channel:
        conversation(channel)
        stats = channel.stats
    assert stats["lost"] == 0
    assert process.poll() is None


def test_a_task_connects_to_python(echo, url):
    with ndb.listen(url) as listener:
        process, _ = echo("connect", listener.url)
        with listener.accept(PATIENCE) as channel:
            conversation(channel)
        assert process.wait(PATIENCE) == 0


def test_memory_is_handed_over_to_a_task(echo, url):
    """Over a Unix socket by descriptor, over TCP as bytes; between other messages, and what comes back is an array of its own."""
    _, at = echo("listen", url)
    with ndb.connect(at) as channel:
        for dtype in ["<f4", ">i8", "M8[s]", "S3"]:
            born = ndb.shm.empty((3, 5), dtype)
            born[...] = np.arange(15).reshape(3, 5)
            for array in (born, SMALL, born.T, born[::2]):
                channel.send(array, attrs={"unit": "m"})
            for array in (born, SMALL, born.T, born[::2]):
                message = channel.recv(timeout=PATIENCE)
                assert message.attrs == {"unit": "m"}
                assert (message.array.dtype, message.array.tolist()) == (array.dtype, array.tolist())


def test_datagrams_pass_through_a_task(echo):
    with ndb.listen("udp://127.0.0.1:0") as listener:
        _, at = echo("forward", "udp://127.0.0.1:0", listener.url)
        with ndb.connect(at, rate=5_000_000) as channel:
            for _, array in arrays():
                channel.send({"a": array}, attrs={"unit": "m"})
                message = listener.recv(timeout=PATIENCE)
                assert message.attrs == {"unit": "m"}
                assert_same(message["a"], array)


def test_a_task_that_is_killed_is_found_again_or_its_messages_told(echo, tmp_path):
    url = f"unix:{tmp_path}/socket"
    process, _ = echo("listen", url)
    with ndb.connect(url, reconnect=True) as channel:
        for round in range(5):
            channel.send(SMALL + round)
            assert (channel.recv(timeout=PATIENCE).array == SMALL + round).all()
            os.kill(process.pid, signal.SIGKILL)
            process.wait(PATIENCE)
            process, _ = echo("listen", url)
        channel.send(SMALL)
        assert (channel.recv(timeout=PATIENCE).array == SMALL).all()
        assert channel.stats["reconnects"] == 5
