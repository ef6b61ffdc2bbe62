"""NumPy and `ndbytes.numpy` side by side: what one gives, returns or raises, the other must too."""

import re
import types
import warnings

import numpy as np

import ndbytes.numpy as npio

NUMPY = types.SimpleNamespace(
    **{name: getattr(np, name) for name in ("save", "load", "savez", "savez_compressed", "memmap", "fromfile",
                                            "frombuffer")},
    format=np.lib.format,
    open_memmap=np.lib.format.open_memmap,
    NpzFile=np.lib.npyio.NpzFile,
    tobytes=np.ndarray.tobytes,
    tofile=lambda a, *args: a.tofile(*args) if isinstance(a, np.ndarray) else np.ndarray.tofile(a, *args),
)
PAIR = {"numpy": NUMPY, "ours": npio}


def outcome(call, module):
    """What a call gives: its result, or the class and message of what it raises; and its warnings."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            result = seen(call(module))
        except Exception as error:
            result = (type(error), re.sub("0x[0-9a-f]+", "0x…", str(error)))
    return result, [(warning.category, str(warning.message)) for warning in said]


def seen(result):
    if isinstance(result, np.ndarray):
        flags = result.flags
        return (
            result.dtype, repr(result.dtype), result.shape, result.size and result.strides, np.ndarray.tobytes(result),
            flags.writeable, flags.c_contiguous, flags.f_contiguous,
        )
    return result


def same(call):
    """Asserts that both give the same, and returns it."""
    wanted, found = outcome(call, NUMPY), outcome(call, npio)
    assert found == wanted
    return found[0]
