"""`ndbytes recv` and `ndbytes send` as processes, and sockets to talk to them."""

import contextlib
import fcntl
import json
import os
import re
import socket
import subprocess
import tempfile
import termios
import threading
import time

import pytest

PATIENCE = 60  # seconds for what takes a moment
COUNTED = re.compile(r"ndbytes: (sent|received) [\d,]+ arrays?, [\d,]+ bytes? in [\d.]+ s(, [\d.]+ [KMGT]?i?B/s)?(; .*)?")


@pytest.fixture
def program(ndb):
    return ndb.program


@pytest.fixture(params=["tcp", "unix"])
def listen(request, tmp_path):
    return "tcp://:0" if request.param == "tcp" else f"unix:{tmp_path}/socket"


class Receiver:
    """`ndbytes recv`, listening; the folder it fills."""

    def __init__(self, program, folder, *options, listen="tcp://:0", **process):
        folder.mkdir(exist_ok=True)
        self.folder = folder
        line = [program, "recv", "--listen", listen, "-o", folder, *options]
        # Files: a pipe that nobody reads meanwhile would fill and stop it.
        self.out, self.err = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(line, stdout=self.out, stderr=self.err, **process)
        first = eventually(lambda: self.said(self.out)[:1] or self.process.poll() is not None)
        assert first is not True, self.said(self.err)
        self.json = "--json" in options
        self.address = json.loads(first[0])["listening"] if self.json else listening(first[0])

    @staticmethod
    def said(file):
        """Whole lines so far."""
        text = os.pread(file.fileno(), 1 << 30, 0).decode()
        return text[: text.rfind("\n") + 1].splitlines()

    @property
    def pid(self):
        return self.process.pid

    def connect(self):
        if match := re.fullmatch(r"tcp://(.*):(\d+)", self.address):
            return socket.create_connection((match[1], int(match[2])), PATIENCE)
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(PATIENCE)
        sock.connect(self.address.removeprefix("unix:"))
        return sock

    def done(self):
        """Exit code, lines of output and lines of errors, once it has ended by itself; what it counted is in `counted`."""
        code = self.process.wait(PATIENCE)
        lines, errors = self.said(self.out)[1:], self.said(self.err)
        if self.json:
            self.counted = json.loads(lines.pop())["statistics"]
        else:
            self.counted = errors.pop()
            assert COUNTED.fullmatch(self.counted), self.counted
        return code, lines, errors

    def files(self):
        return sorted(path.name for path in self.folder.iterdir())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        self.out.close()
        self.err.close()


def listening(line):
    assert line.startswith("listening on "), line
    return line.removeprefix("listening on ")


class Server:
    """A socket of ours that listens at an address of either kind."""

    def __init__(self, listen):
        if listen.startswith("unix:"):
            self.address = listen + ".peer"
            path = self.address.removeprefix("unix:")
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.bind(path)
            self.sock.listen()
        else:
            self.sock = socket.create_server(("127.0.0.1", 0))
            self.address = f"tcp://127.0.0.1:{self.sock.getsockname()[1]}"

    def next(self, work):
        """Does it with the next connection; a function that waits for what came of it."""
        result = []

        def run():
            sock, _ = self.sock.accept()
            with sock:
                result.append(work(sock))

        thread = threading.Thread(target=run)
        thread.start()

        def wait():
            thread.join(PATIENCE)
            assert result, "this side failed"
            return result[0]

        return wait

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


def send(program, *args):
    """Exit code, lines of output and lines of errors of `ndbytes send`, without the last one, which counts what was sent."""
    done = subprocess.run([program, "send", *map(str, args)], capture_output=True, text=True, timeout=PATIENCE)
    errors = done.stderr.splitlines()
    is_counted = bool(errors) and COUNTED.fullmatch(errors[-1]) is not None
    assert is_counted or done.returncode != 0, errors  # It may not have come so far.
    return done.returncode, done.stdout.splitlines(), errors[:-1] if is_counted else errors


def peak(pid):
    """The largest resident size of a process so far, in bytes; a ProcessLookupError once it has ended."""
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    raise ProcessLookupError(pid)


def eventually(condition):
    """Waits until it holds."""
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return value


def is_closed(sock):
    """Whether the peer has closed or reset the connection."""
    try:
        return sock.recv(1) == b""
    except ConnectionError:
        return True


def is_read(sock):
    """Whether the process at the other end, on this machine, has read all that was sent."""
    if sock.family == socket.AF_UNIX:
        return fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)) == bytes(4)
    return other_end(sock)[4].endswith(":00000000")


def other_end(sock):
    """The row of the system's table for the other end of a TCP connection on this machine."""
    ends = tuple(f":{address[1]:04X}" for address in (sock.getpeername(), sock.getsockname()))
    with open("/proc/net/tcp") as table:
        (found,) = [row for row in map(str.split, table) if row[1].endswith(ends[0]) and row[2].endswith(ends[1])]
    return found


def sparse(path, gib):
    """A .npy of so many GiB of zeros that take no place."""
    import numpy as np

    header = np.lib.format.header_data_from_array_1_0(np.empty(0, "<f8")) | {"shape": (gib << 27,)}
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + (gib << 30))
    return os.fspath(path)
