"""`ndbytes send` and `ndbytes recv` within TLS, and channels of Python at the other end."""

import json
import re
import subprocess

import numpy as np
import pytest

import ndbytes as ndb
from certificates import OLD, Authority, authority  # noqa: F401
from channels import SMALL, sending
from command import ndb as command  # noqa: F401
from wire import PATIENCE, Receiver

HERE = "tls://localhost:0"


@pytest.fixture
def program(command):  # noqa: F811
    return command.program


def tls(server):
    return ["--cert", server["cert"], "--key", server["key"]]


def run(program, *args):
    return subprocess.run([program, *args], capture_output=True, text=True, timeout=PATIENCE)


def listening(receiver):
    """The url and the pin of its first line."""
    return re.fullmatch(r"(tls://localhost:\d+) --pin (sha256/\S{44})", receiver.address).groups()


def test_from_one_to_the_other_by_authority_and_by_pin(program, authority, tmp_path):  # noqa: F811
    np.save(tmp_path / "a.npy", SMALL)
    server = authority.sign("localhost")
    for at, how in enumerate((lambda pin: ["--ca", authority.ca], lambda pin: ["--pin", pin])):
        with Receiver(program, tmp_path / str(at), "--once", *tls(server), listen=HERE) as receiver:
            url, pin = listening(receiver)
            sent = run(program, "send", tmp_path / "a.npy", url, *how(pin))
            assert (sent.returncode, receiver.done()[0]) == (0, 0), sent.stderr
            assert np.array_equal(np.load(tmp_path / str(at) / "a.npy"), SMALL)


def test_python_at_the_other_end(program, authority, tmp_path):  # noqa: F811
    server = authority.sign("localhost")
    group = {"left": SMALL, "right": np.arange(6, dtype=">u2")}
    for keep in ([], ["--keep", "10"]):
        with Receiver(program, tmp_path / f"in{len(keep)}", "--once", *keep, *tls(server), listen=HERE) as receiver:
            url, pin = listening(receiver)
            with ndb.connect(url, pin=pin) as channel:
                channel.send(group, attrs={"k": 1})
            assert receiver.done()[0] == 0
            with np.load(tmp_path / f"in{len(keep)}" / receiver.files()[0]) as found:
                assert all(np.array_equal(found[name], array) for name, array in group.items())
    np.save(tmp_path / "b.npy", SMALL)
    with ndb.listen(HERE, **server) as listener:
        join = sending(lambda: run(program, "send", tmp_path / "b.npy", listener.url, "--ca", authority.ca))
        with listener.accept(PATIENCE) as peer:
            message = peer.recv(timeout=PATIENCE)
            assert message.name == "b" and np.array_equal(message.array, SMALL)
            with pytest.raises(EOFError):
                peer.recv(timeout=PATIENCE)
        assert join().returncode == 0


def test_who_is_refused(program, authority, tmp_path):  # noqa: F811
    np.save(tmp_path / "a.npy", SMALL)
    other = Authority(tmp_path / "other")
    for server, how, words in [
        (authority.sign("localhost"), ["--ca", other.ca], "unknown issuer"),
        (authority.sign("localhost"), [], "unknown issuer"),
        (authority.sign("localhost", not_after=OLD), ["--ca", authority.ca], "it expired"),
        (authority.sign("other.example"), ["--ca", authority.ca], "other.example"),
    ]:
        with Receiver(program, tmp_path / "in", "--once", *tls(server), listen=HERE) as receiver:
            url, _ = listening(receiver)
            sent = run(program, "send", tmp_path / "a.npy", url, *how)
            assert sent.returncode == 9 and words in sent.stderr, sent.stderr
            code, _, errors = receiver.done()
            assert code == 9 and "the TLS handshake failed" in errors[0] and receiver.files() == []


def test_options_that_do_not_fit(program, authority, tmp_path):  # noqa: F811
    np.save(tmp_path / "a.npy", SMALL)
    server = authority.sign("localhost")
    for args, words in [
        (["send", tmp_path / "a.npy", "tcp://localhost:1", "--ca", authority.ca], "--ca and --pin are for tls://; tcp://localhost:1"),
        (["send", tmp_path / "a.npy", "udp://localhost:1", "--pin", "a"], "--ca and --pin are for tls://"),
        (["send", tmp_path / "a.npy", "tls://localhost:1", "--pin", "a"], "pin: expected sha256/"),
        (["send", tmp_path / "a.npy", "tls://localhost:0"], "port 0 is for listeners"),
        (["recv", "tls://localhost:0"], "a listener needs cert and key"),
        (["recv", "tcp://:0", *tls(server)], "--cert and --key are for tls://"),
        (["recv", "udp://:0", *tls(server)], "--cert and --key are for tls://"),
        (["recv", "tls://localhost:0", "--cert", server["cert"]], "cert without key"),
    ]:
        found = run(program, *args)
        assert found.returncode == 2 and words in found.stderr, found.stderr
    found = run(program, "recv", HERE, "--cert", tmp_path / "nowhere.pem", "--key", server["key"])
    assert found.returncode == 3 and "nowhere.pem" in found.stderr


def test_the_first_line_as_json(program, authority, tmp_path):  # noqa: F811
    server = authority.sign("localhost")
    with Receiver(program, tmp_path / "in", "--json", *tls(server), listen=HERE) as receiver:
        first = json.loads(receiver.said(receiver.out)[0])
        assert first == {"listening": receiver.address, "pin": first["pin"]}
        with ndb.connect(first["listening"], pin=first["pin"]) as channel:
            channel.send(SMALL)
