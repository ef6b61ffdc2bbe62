"""What a sender of large arrays and its receiver have in common."""

import os

import numpy as np


def made(i):
    """The arrays of message `i`: a few MiB of other numbers than those of the message before."""
    a = np.arange((1 << 18) * (i % 5 + 1) + i, dtype="<f8") * (i + 1)
    return {"a": a, "every other": a[::-2].reshape(-1, 1)}


def pages():
    """How many pieces of memory of ndbytes' own this process has a descriptor of."""
    links = (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd"))
    return sum("memfd:ndbytes" in os.readlink(link) for link in links if os.path.islink(link))
