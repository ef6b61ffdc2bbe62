"""``save`` and ``load``."""

import contextlib
import os
import pickle

import numpy as np

from ndbytes import _core
from ndbytes.numpy import format
from ndbytes.numpy._file import is_special
from ndbytes.numpy._header import MAX_HEADER_SIZE as _MAX_HEADER_SIZE

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")


def save(file, arr, allow_pickle=True):
    """Writes an array as ``.npy``: ``np.save``, byte for byte.

    Parameters
    ----------
    file : path or file object
        A path gets the suffix ``.npy`` where it does not end with it. An object with ``write`` is written to from
        where it stands.
    arr : array_like
    allow_pickle : bool, optional
        Whether arrays of Python objects are written as pickles.

    Raises
    ------
    ValueError
        For objects without `allow_pickle`, and dtypes that a header cannot describe.
    OSError

    Notes
    -----
    Unlike NumPy: a file at a path is replaced whole or not at all.

    Examples
    --------
    >>> import numpy as np, ndbytes.numpy as npio, tempfile, os
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "a.npy")
    ...     npio.save(path, np.arange(3))
    ...     npio.load(path)
    array([0, 1, 2])
    """
    if hasattr(file, "write"):
        return format.write_array(file, np.asanyarray(arr), allow_pickle=allow_pickle)
    file = os.fspath(file)
    if not file.endswith(".npy"):
        file = file + ".npy"
    if is_special(file):
        with open(file, "wb") as opened:
            return save(opened, arr, allow_pickle)
    head, array, order = format.prepare(np.asanyarray(arr), None, allow_pickle, True)
    if order is None:
        head, array = head + pickle.dumps(array, protocol=4), None
    _core.numpy.write(file, head, array, order or "C")


def load(
    file, mmap_mode=None, allow_pickle=False, fix_imports=True, encoding="ASCII", *, max_header_size=_MAX_HEADER_SIZE
):
    """Reads what a ``.npy`` or ``.npz`` file holds: ``np.load``.

    Parameters
    ----------
    file : path or file object
        A file object needs ``read`` and ``seek``, and is left behind the array.
    mmap_mode : {None, 'r', 'r+', 'c'}, optional
        Maps a ``.npy`` file; see `open_memmap`. A ``.npz`` is never mapped, whatever is given.
    allow_pickle : bool, optional
        Whether pickles are loaded, which can run any code.
    fix_imports, encoding : optional
        How pickles of Python 2 are read.
    max_header_size : int, optional
        Characters of the header; not looked at with `allow_pickle`.

    Returns
    -------
    ndarray, memmap, NpzFile, or what a pickle holds

    Raises
    ------
    ValueError, EOFError, OSError, pickle.UnpicklingError
        As NumPy.

    Notes
    -----
    Unlike NumPy: a ``.npy`` that is cut is refused for ``r+``.

    Examples
    --------
    >>> import io, numpy as np, ndbytes.numpy as npio
    >>> file = io.BytesIO()
    >>> np.save(file, np.arange(3)); _ = file.seek(0)
    >>> npio.load(file)
    array([0, 1, 2])
    """
    if encoding not in ("ASCII", "latin1", "bytes"):
        raise ValueError("encoding must be 'ASCII', 'latin1', or 'bytes'")
    pickling = {
        "allow_pickle": allow_pickle,
        "pickle_kwargs": {"encoding": encoding, "fix_imports": fix_imports},
        "max_header_size": max_header_size,
    }
    with contextlib.ExitStack() as stack:
        own = not hasattr(file, "read")
        opened = stack.enter_context(open(os.fspath(file), "rb")) if own else file
        magic = opened.read(len(format.MAGIC_PREFIX))
        if not magic:
            raise EOFError("No data left in file")
        opened.seek(-len(magic), os.SEEK_CUR)
        if magic.startswith(_ZIP):
            from ndbytes.numpy._npz import NpzFile

            stack.pop_all()
            return NpzFile(opened, own_fid=own, **pickling)
        if magic != format.MAGIC_PREFIX:
            return _unpickled(file, opened, **pickling)
        if not mmap_mode:
            return format.read_array(opened, **pickling)
        return format.open_memmap(
            file, mode=mmap_mode, max_header_size=2**64 if allow_pickle else max_header_size
        )


def _unpickled(file, opened, allow_pickle, pickle_kwargs, max_header_size):
    if not allow_pickle:
        raise ValueError(
            "This file contains pickled (object) data. If you trust the file you can load it unsafely using the "
            "`allow_pickle=` keyword argument or `pickle.load()`."
        )
    try:
        return pickle.load(opened, **pickle_kwargs)
    except Exception as error:
        raise pickle.UnpicklingError(f"Failed to interpret file {file!r} as a pickle") from error
