"""Channels within TLS: who is believed, who is refused and with which words, and other programs' TLS at either end."""

import asyncio
import re
import socket
import ssl
import time

import numpy as np
import pytest

import ndbytes as ndb
from certificates import FAR, OLD, Authority, authority  # noqa: F401
from channels import SMALL, sending
from streams import CERTIFICATE, PATIENCE, arrays, assert_same, descriptors


def port(listener):
    return int(listener.url.rsplit(":", 1)[1])


@pytest.fixture
def listener(authority):
    with ndb.listen("tls://localhost:0", **authority.sign()) as listener:
        yield listener


@pytest.fixture
def pair(authority, listener):
    with ndb.connect(listener.url, ca=authority.ca) as channel:
        yield channel, listener


def test_every_dtype_and_layout_in_groups(pair):
    channel, listener = pair
    everything = [array for _, array in arrays()]
    groups = [dict(zip("abcdefg", everything[at : at + 7])) for at in range(0, len(everything), 7)]

    def work():
        for at, group in enumerate(groups):
            assert channel.send(group, attrs={"at": at}) == at

    join = sending(work)
    for at, group in enumerate(groups):
        message = listener.recv(timeout=PATIENCE)
        assert (message.seq, message.attrs, list(message.arrays)) == (at, {"at": at}, list(group))
        for name, array in group.items():
            assert_same(message[name], array)
    join()


def test_small_ones_a_large_one_and_answers(pair):
    channel, listener = pair
    large = np.random.default_rng(5).integers(0, 256, (1 << 25,), "u1")

    def work():
        for at in range(2000):
            channel.send(SMALL + at)
        channel.send(large)
        return channel.recv(timeout=PATIENCE).array

    join = sending(work)
    with listener.accept(PATIENCE) as peer:
        for at in range(2000):
            assert np.array_equal(peer.recv(timeout=PATIENCE).array, SMALL + at)
        out = np.empty_like(large)
        assert peer.recv(out, timeout=PATIENCE).array is out and np.array_equal(out, large)
        peer.send(large[::-1])
        assert np.array_equal(join(), large[::-1])
        channel.close()
        with pytest.raises(EOFError):
            peer.recv(timeout=PATIENCE)


def test_who_is_believed(authority, listener, tmp_path):
    assert re.fullmatch("sha256/[A-Za-z0-9+/]{43}=", listener.pin)
    own = ndb.listen("tls://localhost:0", cert=CERTIFICATE, key=CERTIFICATE)
    old = ndb.listen("tls://localhost:0", **authority.sign("nobody", not_after=OLD))
    for at, how in [
        (listener, {"ca": authority.ca}),
        (listener, {"pin": listener.pin}),
        (listener, {"pin": listener.pin.replace("/", "//", 1)}),  # As curl has it.
        (own, {"ca": CERTIFICATE}),
        (own, {"pin": own.pin}),
        (old, {"pin": old.pin}),
    ]:
        with ndb.connect(at.url, **how) as channel:
            channel.send(SMALL)
            assert np.array_equal(at.recv(timeout=PATIENCE).array, SMALL)
    with ndb.listen("tcp://:0") as plain:
        assert plain.pin is None
    own.close(), old.close()


def test_who_is_refused(authority, listener, tmp_path):
    other = Authority(tmp_path / "other")
    for server, how, words in [
        (authority.sign(), {"ca": other.ca}, r"nobody who is trusted here has signed it \(unknown issuer\): give ca"),
        (authority.sign(), {}, r"unknown issuer"),
        ({"cert": CERTIFICATE, "key": CERTIFICATE}, {"ca": other.ca}, "unknown issuer"),
        (authority.sign("other.example"), {"ca": authority.ca}, r"other\.example.* and \"localhost\" is wanted"),
        (authority.sign("127.0.0.1"), {"ca": authority.ca}, '"localhost" is wanted'),
        (authority.sign("localhost", not_after=OLD), {"ca": authority.ca}, r"it expired \d+ days ago"),
        (authority.sign("localhost", not_before=FAR, not_after=FAR), {"ca": authority.ca}, r"not valid yet, but in \d+ days"),
        (authority.sign(), {"pin": listener.pin}, f"another key than its pin says: expected {re.escape(listener.pin)}, found sha256/"),
    ]:
        with ndb.listen("tls://localhost:0", **server) as wrong:
            with pytest.raises(ConnectionError, match=words) as caught:
                ndb.connect(wrong.url, **how)
            assert wrong.pin in str(caught.value)
            with pytest.raises(ConnectionError, match="handshake failed: the peer refused: it does not accept this end's certificate"):
                wrong.recv(timeout=PATIENCE)
            assert wrong.stats["failed"] == 1


def test_who_speaks_something_else(authority, listener):
    at, old = ("127.0.0.1", port(listener)), ssl.create_default_context(cafile=authority.ca)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection(at) as peer, pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        old.wrap_socket(peer, server_hostname="localhost")
    with pytest.raises(ConnectionError, match=r"the peer does not speak TLS 1\.3"):
        listener.recv(timeout=PATIENCE)
    other = ssl.create_default_context(cafile=authority.ca)
    other.set_alpn_protocols(["http/1.1"])
    with socket.create_connection(at) as peer, pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        other.wrap_socket(peer, server_hostname="localhost")
    with pytest.raises(ConnectionError, match="something else than ndbytes"):
        listener.recv(timeout=PATIENCE)
    with ndb.connect(f"tcp://127.0.0.1:{port(listener)}") as plain:
        plain.send(SMALL)
        with pytest.raises(ConnectionError, match="what came is no TLS"):
            listener.recv(timeout=PATIENCE)
    assert listener.stats["failed"] == 3

    with ndb.listen("tcp://127.0.0.1:0", timeout=1) as plain:
        join = sending(lambda: ndb.connect(plain.url.replace("tcp", "tls"), ca=authority.ca, timeout=5))
        with pytest.raises(ndb.FormatError):
            plain.recv(timeout=PATIENCE)
        with pytest.raises(ConnectionError):
            join()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(CERTIFICATE)
    server.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = "tls://localhost:%d" % silent.getsockname()[1]

        def serve():
            with pytest.raises(ssl.SSLError):
                server.wrap_socket(silent.accept()[0], server_side=True)

        join = sending(serve)
        with pytest.raises(ConnectionError, match=r"does not speak TLS 1\.3"):
            ndb.connect(url, ca=CERTIFICATE)
        join()
        start = time.monotonic()
        with pytest.raises(TimeoutError, match="no answer in 0.3 s"):
            ndb.connect(url, ca=CERTIFICATE, timeout=0.3)
        assert time.monotonic() - start < PATIENCE / 2


def test_python_s_own_tls_is_a_peer(authority, listener):
    """Frames within TLS are all there is to it."""
    context = ssl.create_default_context(cafile=authority.ca)

    def peer():
        connection = socket.create_connection(("127.0.0.1", port(listener)))
        return context.wrap_socket(connection, server_hostname="localhost", suppress_ragged_eofs=False)

    with peer() as theirs, listener.accept(PATIENCE) as ours:
        ndb.send(theirs, SMALL, name="a")
        message = ours.recv(timeout=PATIENCE)
        assert (message.name, theirs.version()) == ("a", "TLSv1.3")
        ours.send(SMALL * 2)
        assert np.array_equal(ndb.recv(theirs), SMALL * 2)
        ours.close()
        assert theirs.recv(1) == b""  # An end that was said.
    for says in (True, False):
        theirs = peer()
        ndb.send(theirs, SMALL)
        with listener.accept(PATIENCE) as ours:
            ours.recv(timeout=PATIENCE)
            if says:
                join = sending(theirs.unwrap)
                with pytest.raises(EOFError):
                    ours.recv(timeout=PATIENCE)
                ours.close()
                join().close()
            else:
                theirs.close()
                with pytest.raises(ConnectionError, match="broke off"):
                    ours.recv(timeout=PATIENCE)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(CERTIFICATE)  # Its tickets are passed over.
    with socket.create_server(("127.0.0.1", 0)) as listening:
        accepted = sending(lambda: server.wrap_socket(listening.accept()[0], server_side=True))
        with ndb.connect("tls://localhost:%d" % listening.getsockname()[1], ca=CERTIFICATE) as channel, accepted() as theirs:
            ndb.send(theirs, SMALL)
            assert np.array_equal(channel.recv(timeout=PATIENCE).array, SMALL)
            channel.send(SMALL)
            assert np.array_equal(ndb.recv(theirs), SMALL)


def test_mistakes(authority, listener, tmp_path):
    server, nowhere = authority.sign(), str(tmp_path / "nowhere.pem")
    wrong_key = {"cert": server["cert"], "key": authority.sign()["key"]}
    for wrong, words in [
        (lambda: ndb.connect("tcp://127.0.0.1:1", ca=authority.ca), "ca and pin are for tls://; tcp://127.0.0.1:1 is neither secret nor"),
        (lambda: ndb.connect("unix:/tmp/a", pin=listener.pin), "ca and pin are for tls://"),
        (lambda: ndb.connect("udp://127.0.0.1:1", pin=listener.pin), "ca and pin are for tls://; datagrams"),
        (lambda: ndb.connect(listener.url, ca=authority.ca, pin=listener.pin), "give one of them"),
        (lambda: ndb.connect(listener.url, pin="sha256/abc"), 'pin: expected sha256/ and 44 characters of base64.*found "sha256/abc"'),
        (lambda: ndb.connect(listener.url, ca=server["key"]), "the file has no certificate"),
        (lambda: ndb.connect("tls://localhost:0", ca=authority.ca), "port 0 is for listeners"),
        (lambda: ndb.listen("tls://localhost:0"), "a listener needs cert and key"),
        (lambda: ndb.listen("tls://localhost:0", cert=server["cert"]), "cert without key"),
        (lambda: ndb.listen("tls://localhost:0", key=server["key"]), "key without cert"),
        (lambda: ndb.listen("tls://localhost:0", cert=server["cert"], key=server["cert"]), "the file has no private key"),
        (lambda: ndb.listen("tls://localhost:0", **wrong_key), "the key is not that of the certificate in"),
        (lambda: ndb.listen("tcp://127.0.0.1:0", **server), "cert and key are for tls://; tcp://"),
        (lambda: ndb.listen("udp://127.0.0.1:0", **server), "cert and key are for tls://; datagrams"),
    ]:
        with pytest.raises(ndb.ArgumentError, match=words):
            wrong()
    for wrong in (
        lambda: ndb.connect(listener.url, ca=nowhere),
        lambda: ndb.listen("tls://localhost:0", cert=nowhere, key=server["key"]),
        lambda: ndb.listen("tls://localhost:0", cert=server["cert"], key=nowhere),
    ):
        with pytest.raises(FileNotFoundError) as caught:
            wrong()
        assert caught.value.filename == nowhere


def test_a_listener_that_starts_again(authority):
    server = authority.sign()
    listener = ndb.listen("tls://localhost:0", **server)
    with ndb.connect(listener.url, ca=authority.ca, reconnect=True) as channel:
        for at in range(10):
            assert channel.send(SMALL) == at
            assert listener.recv(timeout=PATIENCE).seq == at
            listener.close()
            listener = ndb.listen(listener.url, **server)
        assert channel.stats["reconnects"] == 9
    listener.close()


def test_the_newest_alone(authority):
    with ndb.listen("tls://localhost:0", keep="latest", **authority.sign()) as listener:
        with ndb.connect(listener.url, ca=authority.ca) as channel:
            for at in range(50):
                channel.send(np.full(3, at))
        end = time.monotonic() + PATIENCE
        while listener.stats["received"] < 50:
            assert time.monotonic() < end
            time.sleep(0.005)
        assert listener.recv(timeout=PATIENCE).array[0] == 49
        assert listener.stats["failed"] == 0


def test_asyncio(authority):
    async def main():
        async with ndb.aio.listen("tls://localhost:0", **authority.sign()) as listener:
            async with ndb.aio.connect(listener.url, pin=listener.pin) as channel:
                await channel.send({"a": SMALL})
                message = await listener.recv(timeout=PATIENCE)
                assert np.array_equal(message["a"], SMALL)
            with pytest.raises(ConnectionError, match="unknown issuer"):
                await ndb.aio.connect(listener.url)

    asyncio.run(main())


def test_nothing_is_left_of_connections(authority):
    def many(count):
        with ndb.listen("tls://localhost:0", **authority.sign()) as listener:
            for _ in range(count):
                with ndb.connect(listener.url, ca=authority.ca) as channel:
                    channel.send(SMALL)
                listener.recv(timeout=PATIENCE)
                with pytest.raises(ConnectionError):
                    ndb.connect(listener.url)
                with pytest.raises(ConnectionError):
                    listener.recv(timeout=PATIENCE)

    many(2)
    before = descriptors()
    many(100)
    assert len(descriptors()) <= len(before)
