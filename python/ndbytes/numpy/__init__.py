"""NumPy's functions between arrays and bytes, done by ndbytes: ``import ndbytes.numpy as npio`` is a drop-in.

Names, signatures, results, bytes and exceptions are NumPy's. What differs, everywhere:

- A file at a path is replaced whole or not at all: after an error the old one is there, untouched, and what others
  have opened or mapped stays as it was. NumPy cuts the old file first.
- Text mode (``sep``) reads big-endian dtypes right, and text beyond ASCII is an error where NumPy 2.4 crashes.
- A ``.npy`` file that is cut is refused for ``mmap_mode='r+'``, where NumPy fills it up with zeros.
- Archives that readers could take for different ones (two members of one name, members that overlap) are refused.

Arrays of Python objects go to NumPy, where ``allow_pickle`` allows them.

>>> import io, numpy as np, ndbytes.numpy as npio
>>> file = io.BytesIO()
>>> npio.save(file, np.arange(3, dtype="u1"))
>>> file.seek(0), np.load(file)
(0, array([0, 1, 2], dtype=uint8))
"""

from ndbytes.numpy import format
from ndbytes.numpy._buffer import frombuffer, tobytes
from ndbytes.numpy._file import fromfile, tofile
from ndbytes.numpy._memmap import memmap
from ndbytes.numpy._npy import load, save
from ndbytes.numpy._npz import NpzFile, savez, savez_compressed
from ndbytes.numpy.format import open_memmap

__all__ = [
    "NpzFile",
    "format",
    "frombuffer",
    "fromfile",
    "load",
    "memmap",
    "open_memmap",
    "save",
    "savez",
    "savez_compressed",
    "tobytes",
    "tofile",
]
