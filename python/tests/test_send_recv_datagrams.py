"""`ndbytes send` and `ndbytes recv` over udp://: whole arrays, losses that are told, arrays in part."""

import re
import signal
import subprocess
import time

import numpy as np
import pytest

import ndbytes as ndb
from channels import SMALL, relayed, sending, stop
from command import ndb as command  # noqa: F401
from streams import PATIENCE
from wire import Receiver, eventually, send

BIG = np.random.default_rng(7).integers(0, 1 << 32, 1 << 20, "u4")
COUNTED = (
    r"ndbytes: received \d+ arrays?, [\d,]+ bytes? in .*; (\d+) messages? lost, (\d+) datagrams? repaired, (\d+) corrupt, "
    r"(\d+) messages? dropped for want of room.*"
)


@pytest.fixture
def program(command):
    return command.program


def interrupted(receiver):
    receiver.process.send_signal(signal.SIGINT)
    started = time.monotonic()
    code, lines, errors = receiver.done()
    assert time.monotonic() - started < 2
    return code, lines, errors


def counts(receiver):
    return [int(count) for count in re.fullmatch(COUNTED, receiver.counted).groups()]


def test_files_and_groups_between_two_processes(program, tmp_path):
    np.save(tmp_path / "big.npy", BIG)
    np.save(tmp_path / "small.npy", SMALL)
    np.savez(tmp_path / "x.npz", left=SMALL, right=BIG[:1000])
    with Receiver(program, tmp_path / "in", listen="udp://127.0.0.1:0") as receiver:
        code, lines, errors = send(program, tmp_path / "big.npy", tmp_path / "small.npy", receiver.address, "--loss", "0.01")
        assert (code, len(lines), errors) == (0, 2, [])
        assert send(program, "-g", "x", tmp_path / "x.npz", receiver.address, "--rate", "20M")[0] == 0
        # By their names: what is still being written is in the folder, too.
        eventually(lambda: receiver.files() == ["big.npy", "small.npy", "x.npz"])
        code, lines, errors = interrupted(receiver)
        assert (code, len(lines), errors, counts(receiver)) == (0, 3, [], [0, 0, 0, 0])
        assert receiver.files() == ["big.npy", "small.npy", "x.npz"]
        assert re.search(r"/big.npy: <u4\[1048576\], 4,194,304 bytes from sender [0-9a-f]{8}$", lines[0])
    for name in ("big", "small"):
        assert (tmp_path / "in" / f"{name}.npy").read_bytes() == (tmp_path / f"{name}.npy").read_bytes()
    with np.load(tmp_path / "in" / "x.npz") as found:
        assert (found["left"] == SMALL).all() and (found["right"] == BIG[:1000]).all()


def test_the_sender_says_that_nobody_confirms(program, tmp_path):
    np.save(tmp_path / "a.npy", SMALL)
    line = [program, "send", tmp_path / "a.npy"]
    done = subprocess.run([*line, "udp://127.0.0.1:9"], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0
    assert re.fullmatch(r"ndbytes: sent 1 array, 48 bytes in .*; over udp:// nobody confirms that it has arrived\n", done.stderr)


def test_python_at_the_other_end(program, tmp_path):
    np.save(tmp_path / "big.npy", BIG)
    with ndb.listen("udp://127.0.0.1:0") as listener:
        receiving = sending(lambda: listener.recv(timeout=PATIENCE))
        assert send(program, tmp_path / "big.npy", listener.url)[0] == 0
        message = receiving()
        assert (message.name, message.seq) == ("big", 0) and (message.array == BIG).all()
    with Receiver(program, tmp_path / "in", "--once", listen="udp://127.0.0.1:0") as receiver:
        with ndb.connect(receiver.address) as channel:
            channel.send({"left": SMALL, "right": SMALL + 1}, attrs={"group": "both"})
        code, _, errors = receiver.done()
        assert (code, errors, receiver.files()) == (0, [], ["both.npz"])


def test_what_the_loss_was_named_for_is_repaired(program, tmp_path):
    np.save(tmp_path / "big.npy", BIG)
    with Receiver(program, tmp_path / "in", "--once", listen="udp://127.0.0.1:0") as receiver:
        relay, url = relayed(receiver.address, lambda at, datagram: [] if at % 20 == 7 else [datagram])
        assert send(program, tmp_path / "big.npy", url, "--loss", "0.1", "--rate", "20M")[0] == 0
        code, _, errors = receiver.done()
        stop(relay)
        lost, repaired, corrupt, _ = counts(receiver)
        assert (code, errors, lost, corrupt) == (0, [], 0, 0) and repaired > 50
    assert (tmp_path / "in" / "big.npy").read_bytes() == (tmp_path / "big.npy").read_bytes()


def test_what_is_lost_is_told_and_leaves_no_file(program, tmp_path):
    np.save(tmp_path / "big.npy", BIG)
    with Receiver(program, tmp_path / "in", "--timeout", "0.5", listen="udp://127.0.0.1:0") as receiver:

        def spoil(at, datagram):
            return [] if at == 100 else [datagram[:50] + b"\1" + datagram[51:]] if at == 200 else [datagram]

        relay, url = relayed(receiver.address, spoil)
        assert send(program, tmp_path / "big.npy", url, "--rate", "20M")[0] == 0
        time.sleep(1)
        stop(relay)
        code, lines, errors = interrupted(receiver)
        assert (code, lines, errors, receiver.files()) == (5, [], [], [])
        assert counts(receiver) == [1, 0, 1, 0]
    # What has begun and is not whole when it is ended is lost, too.
    with Receiver(program, tmp_path / "in", "--idle", "0.5", listen="udp://127.0.0.1:0") as receiver:
        relay, url = relayed(receiver.address, lambda at, datagram: [] if at == 100 else [datagram])
        assert send(program, tmp_path / "big.npy", url, "--rate", "20M")[0] == 0
        code, lines, errors = receiver.done()
        stop(relay)
        assert (code, lines, errors, receiver.files(), counts(receiver)[0]) == (5, [], [], [], 1)


def test_an_array_in_part_comes_with_its_mask(program, tmp_path):
    np.save(tmp_path / "big.npy", BIG + 1)
    with Receiver(program, tmp_path / "in", "--partial", "--once", "--timeout", "0.5", listen="udp://127.0.0.1:0") as receiver:
        relay, url = relayed(receiver.address, lambda at, datagram: [] if 100 < at < 200 else [datagram])
        assert send(program, tmp_path / "big.npy", url, "--rate", "20M")[0] == 0
        code, lines, errors = receiver.done()
        stop(relay)
        assert (code, errors, receiver.files()) == (5, [], ["big.partial.npz"])
        assert re.search(r"; 9\d\.\d % of its items came, the others are zeros$", lines[0])
    with np.load(tmp_path / "in" / "big.partial.npz") as found:
        array, mask = found["array"], found["mask"]
    assert mask.dtype == bool and mask.shape == BIG.shape and 0.9 < mask.mean() < 1
    assert (array[mask] == BIG[mask] + 1).all() and not array[~mask].any()


def test_ctrl_c_ends_it(program, tmp_path):
    for options, wanted in [((), 0), (("--once",), 130)]:
        with Receiver(program, tmp_path / "in", *options, listen="udp://127.0.0.1:0") as receiver:
            code, lines, errors = interrupted(receiver)
            assert (code, lines) == (wanted, []) and len(errors) == (wanted > 0)
            assert counts(receiver) == [0, 0, 0, 0]


def test_limits(program, tmp_path):
    np.save(tmp_path / "big.npy", BIG)
    np.save(tmp_path / "small.npy", SMALL)
    with Receiver(program, tmp_path / "in", "--max-bytes", "1000", "--idle", "0.5", listen="udp://127.0.0.1:0") as receiver:
        for name in ("big", "small"):
            assert send(program, tmp_path / f"{name}.npy", receiver.address, "--rate", "20M")[0] == 0
        code, lines, errors = receiver.done()
        assert (code, receiver.files(), errors) == (5, ["small.npy"], []) and counts(receiver)[0] == 1


def test_beyond_loopback_there_is_a_warning(program, tmp_path):
    with Receiver(program, tmp_path / "in", listen="udp://0.0.0.0:0") as receiver:
        code, _, errors = interrupted(receiver)
    assert (code, len(errors)) == (0, 1) and errors[0].startswith("ndbytes: other machines can connect: ")
