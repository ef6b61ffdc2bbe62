"""``memmap``: an array over a file."""

import contextlib
import operator
import os

import numpy as np

from ndbytes import _core
from ndbytes.numpy._file import is_special

_MODES = ["r", "c", "r+", "w+"]
_NAMES = {"readonly": "r", "copyonwrite": "c", "readwrite": "r+", "write": "w+"}


class memmap(np.ndarray):
    """An array over a file without a header: ``np.memmap``.

    Parameters
    ----------
    filename : path or file object
        A file object must have a descriptor.
    dtype : dtype, optional
        What an item is; by default uint8.
    mode : {'r+', 'r', 'w+', 'c'}, optional
        r: only read. r+: changes go to the file, which grows to what is asked for. w+: a new file. c: changes stay in
        memory.
    offset : int, optional
        Bytes before the first item; any number.
    shape : int or sequence of int, optional
        By default one axis to the end of the file.
    order : {'C', 'F'}, optional

    Attributes
    ----------
    filename : str or Path
    offset : int
    mode : str

    Raises
    ------
    ValueError, OverflowError, OSError
        As NumPy; ValueError for a dtype with objects, which NumPy takes, and crashes on its items.

    Notes
    -----
    Unlike NumPy: with mode w+ a file at a path is replaced, and not cut under those who have it mapped.

    Examples
    --------
    >>> import numpy as np, ndbytes.numpy as npio, tempfile, os
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "a.dat")
    ...     a = npio.memmap(path, "<u2", "w+", shape=(2, 2))
    ...     a[1] = 7; a.flush()
    ...     np.fromfile(path, "<u2")
    array([0, 0, 7, 7], dtype=uint16)
    """

    __array_priority__ = -100.0

    def __new__(subtype, filename, dtype=np.uint8, mode="r+", offset=0, shape=None, order="C"):
        mode = _mode(mode)
        if mode == "w+" and shape is None:
            raise ValueError("shape must be given if mode == 'w+'")
        dtype = np.dtype(dtype)
        if dtype.hasobject:
            raise ValueError("Array can't be memory-mapped: Python objects in dtype.")
        with _opened(filename, mode, dtype, offset, shape) as file:
            file.seek(0, os.SEEK_END)
            length = file.tell()
            shape, end = _extent(dtype, shape, offset, length)
            if mode in ("r+", "w+"):
                end = max(end, 1)
                if length < end:
                    file.seek(end - 1)
                    file.write(b"\0")
                    file.flush()
                    length = end
            region = _mapped(file, mode, offset, end, length)
            self = np.ndarray.__new__(subtype, shape, dtype=dtype, buffer=region, order=order)
            self._mmap, self.offset, self.mode = region, offset, mode
            self.filename = _name(filename, file)
        return self

    def __array_finalize__(self, obj):
        shares = hasattr(obj, "_mmap") and np.may_share_memory(self, obj)
        for name in ("_mmap", "filename", "offset", "mode"):
            setattr(self, name, getattr(obj, name) if shares else None)

    def flush(self):
        """Puts what was changed on the disk; nothing in the modes r and c."""
        if self.base is not None and hasattr(self.base, "flush"):
            self.base.flush()

    def __array_wrap__(self, arr, context=None, return_scalar=False):
        arr = super().__array_wrap__(arr, context)
        if self is arr or type(self) is not memmap:
            return arr
        return arr[()] if return_scalar else arr.view(np.ndarray)

    def __array_function__(self, func, types, args, kwargs):
        # NumPy has a shorter way for arrays and its own memmap, and only that one has its error messages.
        if func in (np.nanmax, np.nanmin) and args and type(args[0]) is memmap:
            return func(args[0].view(np.ndarray), *args[1:], **kwargs)
        return super().__array_function__(func, types, args, kwargs)

    def __getitem__(self, index):
        found = super().__getitem__(index)
        if type(found) is memmap and found._mmap is None:
            return found.view(type=np.ndarray)
        return found


def _mode(mode):
    mode = _NAMES.get(mode, mode)
    if mode not in _MODES:
        raise ValueError(f"mode must be one of {_MODES + list(_NAMES)!r} (got {mode!r})")
    return mode


@contextlib.contextmanager
def _opened(filename, mode, dtype, offset, shape):
    """The file to be mapped, opened as the mode needs it."""
    if hasattr(filename, "read"):
        yield filename
        return
    path = os.fspath(filename)
    if mode == "w+" and not is_special(path):
        _, end = _extent(dtype, shape, offset, 0)
        _core.numpy.create(path, b"", max(end, 1))
        mode = "r+"
    with open(path, "rb" if mode == "c" else mode + "b") as file:
        yield file


def _extent(dtype, shape, offset, length):
    """The shape, and the byte of the file at which its items end."""
    if shape is None:
        if (length - offset) % dtype.itemsize:
            raise ValueError("Size of available data is not a multiple of the data-type size.")
        shape = ((length - offset) // dtype.itemsize,)
    elif not isinstance(shape, (tuple, list)):
        with contextlib.suppress(TypeError):
            shape = [operator.index(shape)]
    shape = tuple(shape)
    if dtype.itemsize == 0 and any(axis < 0 for axis in shape):
        # NumPy fills a -1 up, and ends the process where it would divide by an item's size.
        raise ValueError("negative dimensions are not allowed")
    size = np.intp(1)
    for axis in shape:
        size *= axis
    end = int(offset + size * dtype.itemsize)
    if offset < 0:
        raise OverflowError("memory mapped offset must be positive")
    if end < 0:
        raise OverflowError("memory mapped length must be positive")
    return shape, end


def _mapped(file, mode, offset, end, length):
    """The bytes of the file from `offset` up to `end`."""
    if end < offset:
        raise ValueError("negative dimensions are not allowed")
    if length == 0:
        raise ValueError("cannot mmap an empty file")
    if end > length:
        raise ValueError("mmap length is greater than file size")
    # A place behind the end of the file is as good as any for no bytes.
    return _core.numpy.map(file.fileno(), mode, min(offset, end), end)


def _name(filename, file):
    if isinstance(filename, os.PathLike):
        return filename.resolve()
    if isinstance(getattr(file, "name", None), str):
        return os.path.abspath(file.name)
    return None
