"""Threads take turns with a channel, a file or a handle: who waits hears what else happens, and nobody waits for itself or for somebody who is gone."""

import subprocess
import sys

import pytest

BEGIN = """
import os, signal, sys, threading, time
import numpy as np
import ndbytes as ndb

class Up(Exception):
    pass

def after(seconds, handler):
    signal.signal(signal.SIGALRM, lambda *_: handler())
    signal.setitimer(signal.ITIMER_REAL, seconds)

def up():
    raise Up

BIG = np.zeros(32 << 20, "u1")
listener = ndb.listen("tcp://127.0.0.1:0")

def slow():
    channel = listener.accept()
    time.sleep(1)
    try:
        while True:
            channel.recv()
    except (EOFError, ConnectionError):
        pass

def beside(work):
    threading.Thread(target=work, daemon=True).start()

def refused(work):
    try:
        work()
    except ndb.ArgumentError as error:
        print("refused:" if "in use by the very call" in str(error) else error)
    else:
        print("nothing was said")
"""


def said(program, *args):
    run = subprocess.run([sys.executable, "-c", BEGIN + program, *args], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stderr) == (0, ""), run.stderr
    return run.stdout.splitlines()


ITSELF = {
    "send": """
beside(slow)
channel = ndb.connect(listener.url)
after(0.2, lambda: refused(lambda: channel.send(np.arange(3))))
channel.send(BIG)
""",
    "flush": """
beside(slow)
channel = ndb.connect(listener.url, reconnect=True)
after(0.2, lambda: refused(channel.flush))
channel.send(BIG)
""",
    "recv": """
channel = ndb.connect(listener.url)
after(0.1, lambda: refused(channel.recv))
try:
    channel.recv(timeout=0.5)
except TimeoutError:
    pass
""",
    "recv of a listener": """
import socket

def halves():
    # Callbacks are told of a message that takes its time.
    data = b"".join(ndb.buffers(BIG))
    host, port = listener.url.removeprefix("tcp://").split(":")
    with socket.create_connection((host, int(port))) as peer:
        peer.sendall(data[: len(data) // 2])
        time.sleep(0.2)
        peer.sendall(data[len(data) // 2 :])

beside(halves)
once = []
listener.recv(progress=lambda *_: once or (once.append(1), refused(listener.recv)))
""",
}


@pytest.mark.parametrize("what", ITSELF)
def test_what_interrupts_a_call_does_not_wait_for_it(what):
    assert said(ITSELF[what] + "os._exit((sys.stdout.flush(), 0)[1])") == ["refused:"]


@pytest.mark.parametrize("how", ["handler", "progress"])
@pytest.mark.parametrize("again", [False, True])
def test_what_interrupts_a_send_may_close_the_channel(how, again):
    closing = """
beside(slow)
channel = ndb.connect(listener.url, reconnect=sys.argv[2] == "True")
if sys.argv[1] == "handler":
    after(0.2, channel.close)
try:
    channel.send(BIG, progress=None if sys.argv[1] == "handler" else lambda *_: channel.close())
except ndb.ArgumentError as error:
    print(error)
print(channel.closed)
"""
    assert said(closing + "os._exit((sys.stdout.flush(), 0)[1])", how, str(again)) == ["the channel was closed", "True"]


WAITS = {
    "another thread receives": """
beside(listener.recv)
time.sleep(0.2)
wait = lambda: listener.recv(timeout=20)
""",
    "another thread sends datagrams": """
receiver = ndb.listen("udp://127.0.0.1:0")
channel = ndb.connect(receiver.url, rate=100_000)
beside(lambda: channel.send(np.zeros(2 << 20, "u1")))
time.sleep(0.2)
wait = channel.close
""",
}


@pytest.mark.parametrize("why", WAITS)
def test_who_waits_for_another_thread_hears_a_signal(why):
    heard = """
started = time.monotonic()
after(0.2, up)
try:
    wait()
except Up:
    print("heard" if time.monotonic() - started < 5 else "late")
"""
    assert said(WAITS[why] + heard + "os._exit((sys.stdout.flush(), 0)[1])") == ["heard"]


FORKED = """
os.chdir(sys.argv[1])
stop = threading.Event()
if sys.argv[2] == "rows":
    handle = ndb.open("a.ndb", "w+", dtype="f8", shape=(None, 1000))
    rows = np.random.rand(4000, 1000)
    work, use = lambda: handle.append(rows), lambda: handle.shape
else:
    handle = ndb.open("a.npy", "w+", dtype="u1", shape=(100 << 20,), checksum=True)
    def work():
        handle[0] = 1
        handle.flush()
    use = lambda: handle[5]

def going_on():
    while not stop.is_set():
        work()

thread = threading.Thread(target=going_on)
thread.start()
time.sleep(0.3)
for _ in range(3):
    child = os.fork()
    if child == 0:
        # Its turn is over, or it is said that it never will be.
        try:
            use()
        except ndb.Error as error:
            os._exit("forked" not in str(error))
        os._exit(0)
    end = time.monotonic() + 20
    while (ended := os.waitpid(child, os.WNOHANG))[0] == 0 and time.monotonic() < end:
        time.sleep(0.01)
    if ended[0] == 0:
        os.kill(child, signal.SIGKILL)
    print(os.waitstatus_to_exitcode(ended[1]) if ended[0] else "hangs")
stop.set()
thread.join()
"""


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")
@pytest.mark.parametrize("what", ["rows", "map"])
def test_a_forked_child_does_not_wait_for_a_thread_that_it_has_not(what, tmp_path):
    assert said(FORKED, str(tmp_path), what) == ["0"] * 3


OWN = """
os.chdir(sys.argv[1])
handle = ndb.open("a.npy", "w+", dtype="u1", shape=(1000,), checksum=True)
child = os.fork()
if child == 0:
    errors = []

    def work():
        try:
            for n in range(50):
                handle[n] = 1
                handle.flush()
        except ndb.Error as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os._exit(len(errors))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")
def test_threads_of_a_forked_child_take_turns(tmp_path):
    assert said(OWN, str(tmp_path)) == ["0"]


@pytest.mark.parametrize("how", ["handler", "progress"])
def test_what_closes_a_channel_and_raises_is_heard(how):
    raising = """
def stop(*_):
    channel.close()
    raise Up

beside(slow)
channel = ndb.connect(listener.url)
if sys.argv[1] == "handler":
    after(0.2, stop)
try:
    channel.send(BIG, progress=None if sys.argv[1] == "handler" else stop)
except Up:
    print("heard", channel.closed)
"""
    assert said(raising + "os._exit((sys.stdout.flush(), 0)[1])", how) == ["heard True"]


def test_a_forked_child_that_lets_go_of_an_array_leaves_its_file_open(tmp_path):
    child = """
path = sys.argv[1]
ndb.save(path, np.zeros(1000, "u1"), checksum=True)
a = ndb.load(path, mmap="r+")
a[0] = 1
child = os.fork()
if child == 0:
    del a
    os._exit(0)
os.waitpid(child, 0)
a[1] = 2
print(ndb.open(path).checksum_state)
del a
print(ndb.verify(path).state)
"""
    assert said(child, str(tmp_path / "a.npy")) == ["open", "verified"]


def test_a_process_ends_while_its_threads_send():
    sending = """
channel = ndb.connect(listener.url)
beside(lambda: [listener.recv() for _ in range(10_000)])
beside(lambda: [channel.send(BIG[:1 << 22], progress=lambda *_: None) for _ in range(10_000)])
time.sleep(0.12)
"""
    for _ in range(5):
        assert said(sending) == []
