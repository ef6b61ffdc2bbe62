"""Large arrays over `unix:`, which the receiver reads out of the sender's own pages: who may, and what everybody gets."""

import asyncio
import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import ndbytes as ndb
from pages import made
from streams import PATIENCE

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="pages go from process to process on Linux")

def run(program, *arguments):
    start = "import os, signal, sys, numpy as np, ndbytes as ndb\nfrom pages import made, pages\n"
    line = [sys.executable, "-c", start + program, *arguments]
    return subprocess.Popen(line, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent)


SENDS = """
with ndb.connect(sys.argv[1]) as channel:
    for i in range(12):
        channel.send(made(i))
    # A word of the receiver's: it has all.
    channel.recv(timeout=30)
    print(pages(), flush=True)
"""


def check(messages):
    for i, message in zip(range(12), messages, strict=True):
        assert list(message.arrays) == ["a", "every other"]
        for name, array in made(i).items():
            np.testing.assert_array_equal(message[name], array, strict=True)


def taken(peer):
    return [peer.recv(timeout=PATIENCE) for _ in range(12)]


def test_a_receiver_reads_out_of_the_sender_s_pages(tmp_path):
    with ndb.listen(f"unix:{tmp_path}/socket") as listener, run(SENDS, listener.url) as sender:
        with listener.accept(timeout=PATIENCE) as peer:
            check(taken(peer))
            peer.send(np.zeros(()))
            assert sender.stdout.readline() == "1\n"
    assert sender.returncode == 0


def test_so_does_a_task(tmp_path):
    async def main():
        async with ndb.aio.listen(f"unix:{tmp_path}/socket") as listener:
            with run(SENDS, listener.url) as sender:
                async with await listener.accept(timeout=PATIENCE) as peer:
                    check([await peer.recv(timeout=PATIENCE) for _ in range(12)])
                    await peer.send(np.zeros(()))
                    assert sender.stdout.readline() == "1\n"
            assert sender.returncode == 0

    asyncio.run(main())


def moving(here, there):
    """Moves pages from one socket to the other, and holds some of them for a while, as relays do that copy nothing."""
    source, sink = os.pipe()
    while n := os.splice(here.fileno(), sink, 64 << 10):
        time.sleep(0.0001)
        while n:
            n -= os.splice(source, there.fileno(), n)
    there.shutdown(socket.SHUT_WR)
    os.close(source)
    os.close(sink)


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_relay_that_moves_pages_changes_nothing(tmp_path, kind):
    to = "tcp://127.0.0.1:0" if kind == "tcp" else f"unix:{tmp_path}/listener"
    with ndb.listen(to) as listener, socket.socket(socket.AF_UNIX) as relay:
        relay.bind(f"{tmp_path}/relay")
        relay.listen()
        with run(SENDS, f"unix:{tmp_path}/relay") as sender:
            here, _ = relay.accept()
            if kind == "tcp":
                there = socket.create_connection(("127.0.0.1", int(listener.url.rsplit(":", 1)[1])))
            else:
                there = socket.socket(socket.AF_UNIX)
                there.connect(listener.url.removeprefix("unix:"))
            ways = [threading.Thread(target=moving, args=ends, daemon=True) for ends in [(here, there), (there, here)]]
            for way in ways:
                way.start()
            with here, there, listener.accept(timeout=PATIENCE) as peer:
                check(taken(peer))
                peer.send(np.zeros(()))
                # Nobody kept the descriptor: all was copied.
                assert sender.stdout.readline() == "0\n"
                peer.close()
                for way in ways:
                    way.join(PATIENCE)
    assert sender.returncode == 0


def test_a_receiver_of_plain_sockets_gets_copies(tmp_path):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{tmp_path}/socket")
        listening.listen()
        with run(SENDS, f"unix:{tmp_path}/socket") as sender:
            peer, _ = listening.accept()
            with peer:
                for i in range(12):
                    for array in made(i).values():
                        np.testing.assert_array_equal(ndb.recv(peer), array, strict=True)
                ndb.send(peer, np.zeros(()))
                assert sender.stdout.readline() == "0\n"
    assert sender.returncode == 0


GONE = """
import time
if sys.argv[2] == "default":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
with ndb.connect(sys.argv[1]) as channel:
    try:
        for i in range(1000):
            channel.send(np.zeros(1 << 18))
            if i == 20:
                print(pages(), flush=True)
                if sys.argv[2] == "default from now on":
                    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
                    time.sleep(0.3)
    except ConnectionError as error:
        print(type(error).__name__, flush=True)
"""


@pytest.mark.parametrize("signals, pages", [("ignored", "1\n"), ("default", "0\n"), ("default from now on", "1\n")])
def test_a_receiver_that_goes_is_an_error_and_no_signal(tmp_path, signals, pages):
    with ndb.listen(f"unix:{tmp_path}/socket") as listener, run(GONE, listener.url, signals) as sender:
        with listener.accept(timeout=PATIENCE) as peer:
            for _ in range(21):
                peer.recv(timeout=PATIENCE)
            assert sender.stdout.readline() == pages
        assert "Error" in sender.stdout.readline()
    assert sender.returncode == 0, signal.Signals(-sender.returncode)


@pytest.mark.parametrize("limit", ["NOFILE", "FSIZE"])
def test_what_a_process_may_not_have_is_no_reason_to_send_nothing(tmp_path, limit):
    program = """
import resource
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
with ndb.connect(sys.argv[1]) as channel:
    channel.send(0.5 * np.arange(2))
    channel.recv(timeout=30)
    most = max(map(int, os.listdir("/proc/self/fd"))) if sys.argv[2] == "NOFILE" else 1 << 20
    kind = getattr(resource, "RLIMIT_" + sys.argv[2])
    before = resource.getrlimit(kind)
    resource.setrlimit(kind, (most, before[1]))
    for i in range(12):
        channel.send(made(i))
    channel.recv(timeout=30)
    if sys.argv[2] == "FSIZE":
        try:
            ndb.shm.empty(1 << 22, "u1")
        except OSError as error:
            print(error.errno, flush=True)
    resource.setrlimit(kind, before)
    print(pages(), flush=True)
"""
    with ndb.listen(f"unix:{tmp_path}/socket") as listener, run(program, listener.url, limit) as sender:
        with listener.accept(timeout=PATIENCE) as peer:
            assert peer.recv(timeout=PATIENCE).array[1] == 0.5
            peer.send(np.zeros(()))
            check(taken(peer))
            peer.send(np.zeros(()))
            if limit == "FSIZE":
                assert int(sender.stdout.readline()) == errno.EFBIG
            assert sender.stdout.readline() == "0\n"
    assert sender.returncode == 0


def test_many_connections_share_what_there_is(tmp_path):
    program = """
channels = [ndb.connect(sys.argv[1]) for _ in range(70)]
for i in range(2):
    for channel in channels:
        channel.send(np.full(1 << 19, i))
channels[0].recv(timeout=30)
print(pages(), flush=True)
for channel in channels[:20]:
    channel.close()
for i in range(2, 4):
    for channel in channels[20:]:
        channel.send(np.full(1 << 19, i))
channels[20].recv(timeout=30)
print(pages(), flush=True)
"""
    with ndb.listen(f"unix:{tmp_path}/socket") as listener, run(program, listener.url) as sender:
        peers = [listener.accept(timeout=PATIENCE) for _ in range(70)]
        for i in range(4):
            for peer in peers[:70] if i < 2 else peers[20:]:
                assert (peer.recv(timeout=PATIENCE).array == np.full(1 << 19, i)).all()
            if i == 1:
                peers[0].send(np.zeros(()))
                assert sender.stdout.readline() == "64\n"
        peers[20].send(np.zeros(()))
        # Six had none, and have what others gave back.
        assert sender.stdout.readline() == "50\n"
    assert sender.returncode == 0


def test_small_arrays_ask_for_nothing(tmp_path):
    program = """
with ndb.connect(sys.argv[1]) as channel:
    before = len(os.listdir("/proc/self/fd"))
    for i in range(500):
        channel.send(np.zeros(1000))
    channel.recv(timeout=30)
    print(pages(), len(os.listdir("/proc/self/fd")) - before, flush=True)
"""
    with ndb.listen(f"unix:{tmp_path}/socket") as listener, run(program, listener.url) as sender:
        with listener.accept(timeout=PATIENCE) as peer:
            for _ in range(500):
                peer.recv(timeout=PATIENCE)
            peer.send(np.zeros(()))
            pages, more = sender.stdout.readline().split()
            # Descriptors of the connection itself may be doubled for each direction.
            assert (pages, int(more) <= 2) == ("0", True)
    assert sender.returncode == 0
