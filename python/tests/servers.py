"""Servers that recipes talk to, each in a temporary folder on a Unix socket, for as long as a test needs it."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

SECONDS = 60


@contextlib.contextmanager
def redis():
    """The URL of a Redis server."""
    import redis as client

    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no redis-server on the PATH: it is in Debian's package redis-server")
    with folder(os.getuid()) as path:
        url = f"unix://{path}/redis.sock"
        # Everything in memory: nothing is saved.
        line = [program, "--port", "0", "--unixsocket", path / "redis.sock", "--save", "", "--dir", path]
        with running(line, path), client.Redis.from_url(url) as db:
            until(db.ping, client.ConnectionError, path)
            yield url


@contextlib.contextmanager
def postgres():
    """How to connect to a PostgreSQL server."""
    import psycopg

    programs = postgres_programs()
    if programs is None:
        pytest.skip("no initdb on the PATH or in /usr/lib/postgresql: it is in Debian's package postgresql")
    with folder(unprivileged()) as path:
        init = [programs / "initdb", "-D", path / "data", "-A", "trust", "-U", "tester", "--no-sync", "--locale=C"]
        with running(init, path) as process:
            assert process.wait(SECONDS) == 0, (path / "log").read_text()
        line = [programs / "postgres", "-D", path / "data", "-k", path, "-c", "listen_addresses=", "-F"]
        where = f"host={path} user=tester dbname=postgres"
        with running(line, path):
            until(lambda: psycopg.connect(where).close(), psycopg.OperationalError, path)
            yield where


def postgres_programs():
    """The folder of PostgreSQL's programs; Debian has them outside the PATH, by version."""
    found = [Path(program).resolve() for program in [shutil.which("initdb")] if program]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]), reverse=True)
    return next((path.parent for path in found if (path.parent / "postgres").exists()), None)


def unprivileged():
    """A user that PostgreSQL runs as: it refuses root."""
    if os.getuid() != 0:
        return os.getuid()
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_uid
    pytest.skip("PostgreSQL does not run as root, and there is no user postgres or nobody")


@contextlib.contextmanager
def folder(user):
    """A folder of this user's with a short name, as sockets need it."""
    with tempfile.TemporaryDirectory(prefix="ndb-") as path:
        os.chown(path, user, -1)
        yield Path(path)


@contextlib.contextmanager
def running(line, path):
    """A program that runs as the owner of the folder and writes its log there; it is ended in the end."""
    user = os.stat(path).st_uid
    other = {} if user == os.getuid() else {"user": user, "group": pwd.getpwuid(user).pw_gid, "extra_groups": []}
    environment = {**os.environ, "LC_ALL": "C"}
    with open(path / "log", "ab") as log:
        process = subprocess.Popen([*map(str, line)], cwd=path, env=environment, stdout=log, stderr=log, **other)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def until(works, refused, path):
    """Calls until the server answers."""
    end = time.monotonic() + SECONDS
    while True:
        try:
            return works()
        except refused:
            if time.monotonic() > end:
                raise AssertionError(f"no answer after {SECONDS} s:\n{(path / 'log').read_text()}") from None
            time.sleep(0.05)
