"""Datagrams over a link of the system's own that loses one packet in twenty: two network namespaces, and nftables."""

import os
import shutil
import subprocess
import sys

import pytest

from streams import PATIENCE

RECEIVER = """
import numpy as np, ndbytes as ndb
array = np.random.default_rng(1).random(1 << 21)
with ndb.listen("udp://10.77.0.2:7777") as listener:
    print("up", flush=True)
    for _ in range(10):
        message = listener.recv(timeout=30)
        assert (message.array == array + message.seq).all()
    print(listener.stats["received"], listener.stats["lost"], listener.stats["repaired"])
"""
SENDER = """
import numpy as np, ndbytes as ndb
array = np.random.default_rng(1).random(1 << 21)
with ndb.connect("udp://10.77.0.2:7777", loss=0.10, rate=30e6) as channel:
    for at in range(10):
        channel.send(array + at)
"""


@pytest.fixture
def namespaces():
    """Names of two, each with one end of a link: 10.77.0.1 and 10.77.0.2, which loses what comes."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("only root may make network namespaces")
    if lacking := [name for name in ("ip", "nft") if shutil.which(name) is None]:
        pytest.skip(f"no {', '.join(lacking)}: apt-get install iproute2 nftables")
    here, there = (f"ndbytes-{os.getpid()}-{end}" for end in "ab")

    def run(line):
        done = subprocess.run(line.split(), capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"{line}: {done.stderr.strip()}")

    try:
        for name in (here, there):
            run(f"ip netns add {name}")
        run(f"ip -n {here} link add ndv0 type veth peer name ndv1 netns {there}")
        for name, link, address in ((here, "ndv0", "10.77.0.1/24"), (there, "ndv1", "10.77.0.2/24")):
            run(f"ip -n {name} addr add {address} dev {link}")
            run(f"ip -n {name} link set lo up")
            run(f"ip -n {name} link set {link} up")
        run(f"ip netns exec {there} nft add table inet lossy")
        run(f"ip netns exec {there} nft add chain inet lossy in {{ type filter hook input priority 0; }}")
        run(f"ip netns exec {there} nft add rule inet lossy in meta l4proto udp numgen random mod 1000 < 50 counter drop")
        yield here, there
    finally:
        for name in (here, there):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def test_arrays_arrive_over_a_link_that_loses_packets(namespaces):
    here, there = (["ip", "netns", "exec", name, sys.executable, "-c"] for name in namespaces)
    with subprocess.Popen([*there, RECEIVER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as receiver:
        assert receiver.stdout.readline() == "up\n"
        subprocess.run([*here, SENDER], check=True, timeout=PATIENCE)
        out, err = receiver.communicate(timeout=PATIENCE)
    assert receiver.returncode == 0, err
    received, lost, repaired = map(int, out.split())
    assert (received, lost) == (10, 0) and repaired > 1000
