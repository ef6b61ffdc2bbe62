"""``tofile`` and ``fromfile``: items without a header, binary or as text."""

import contextlib
import io
import os
import stat

import numpy as np

from ndbytes import _core
from ndbytes.numpy import _text
from ndbytes.numpy._buffer import _ssize, bare, check_size, plain

_NO_FILE = (
    "Getting a FILE* from a Python file object via _fdopen failed. If you built NumPy, you probably linked with the "
    "wrong debug/release runtime"
)
_NO_POSITION = "obtaining file position failed"


def tofile(a, file, sep="", format=""):
    """Writes the items of an array in C order: ``a.tofile(file, sep, format)``.

    Parameters
    ----------
    a : ndarray or NumPy scalar
        A subclass with a ``tofile`` of its own (a masked array) is asked instead.
    file : path or file object
        A file object must have a descriptor, which is what is written to, from the object's position on.
    sep : str, optional
        Stands between the items, as text; without it they are written as they are in memory.
    format : str, optional
        How an item becomes text: ``format % item``; by default ``str(item)``.

    Raises
    ------
    OSError
        For objects without ``sep``, and as NumPy.

    Notes
    -----
    Unlike NumPy: a file at a path is replaced whole or not at all; text beyond ASCII raises UnicodeEncodeError.

    Examples
    --------
    >>> import numpy as np, ndbytes.numpy as npio, tempfile, os
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "a.txt")
    ...     npio.tofile(np.array([1.5, 2.0]), path, sep=",")
    ...     open(path).read()
    '1.5,2.0'
    """
    a = plain(a, "tofile")
    if type(a).tofile is not np.ndarray.tofile:
        return a.tofile(file, sep, format)
    for place, text in enumerate((sep, format), 2):
        if not isinstance(text, str):
            raise TypeError(f"tofile() argument {place} must be str, not {type(text).__name__}")
    file = _fspath(file)
    a = bare(a)
    if a.dtype.hasobject and not sep and isinstance(file, (str, bytes)):
        open(file, "ab").close()  # NumPy, too, has made the file by the time it refuses.
    if not isinstance(file, (str, bytes)):
        with _descriptor(file, "wb") as raw:
            _write(raw, a, sep, format)
    elif is_special(file):
        with open(file, "wb") as opened:
            tofile(a, opened, sep, format)
    else:
        _write(file, a, sep, format)


def _write(target, a, sep, format):
    if sep:
        parts = []
        _text.write(parts.append, a, sep, format)
        _core.numpy.write(target, b"".join(parts), None, "C")
    elif a.dtype.hasobject:
        raise OSError("cannot write object arrays to a file in binary mode")
    else:
        _core.numpy.write(target, b"", a, "C")


def fromfile(file, dtype=None, count=-1, sep="", offset=0, *, like=None):
    """Reads items without a header: ``np.fromfile``.

    Parameters
    ----------
    file : path or file object
        A file object must have a descriptor, which is what is read, from the object's position on.
    dtype : dtype, optional
        What an item is; by default float64.
    count : int, optional
        How many items at most; negative: all of them. Fewer are no error.
    sep : str, optional
        Stands between the items, which are text then; white space in it stands for any.
    offset : int, optional
        Bytes to pass over first; only without ``sep``.
    like : array_like, optional
        As NumPy: another kind of array makes its own.

    Returns
    -------
    ndarray
        Of one axis, and the axes of a subarray dtype.

    Raises
    ------
    ValueError, TypeError, OSError
        As NumPy.

    Notes
    -----
    Unlike NumPy: big-endian numbers are read right from text too.

    Examples
    --------
    >>> import ndbytes.numpy as npio, tempfile, os
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "a.txt")
    ...     _ = open(path, "w").write("1, 2, 3")
    ...     npio.fromfile(path, ">i4", sep=",")
    array([1, 2, 3], dtype='>i4')
    """
    if like is not None:
        return np.fromfile(file, dtype, count, sep, offset, like=like)
    dtype = np.dtype(float if dtype is None else dtype)
    count, offset = _ssize(count), _ssize(offset)
    if not isinstance(sep, str):
        raise TypeError(f"fromfile() argument 4 must be str, not {type(sep).__name__}")
    file = _fspath(file)
    if offset and sep:
        raise TypeError("'offset' argument only permitted for binary files")
    if isinstance(file, (str, bytes)):
        with open(file, "rb") as opened:
            return _read(opened, dtype, count, sep, offset)
    return _read(file, dtype, count, sep, offset)


def _read(file, dtype, count, sep, offset):
    with _descriptor(file, "rb") as raw:
        raw.seek(offset, os.SEEK_CUR)
        if dtype.hasobject:
            raise ValueError("Cannot read into object array")
        if dtype.itemsize == 0:
            return np.ndarray((count,), dtype)
        if not sep:
            return read_items(raw, dtype, count)
        _text._scanner(dtype)
        start = raw.tell()
        array, taken, error = _text.read(raw.readall(), dtype, count, sep)
        raw.seek(start + taken)
    if error:
        raise error
    return array


def read_items(raw, dtype, count):
    """Up to `count` items of a file (negative: all that are whole), as many as there are."""
    try:
        start = raw.tell()
        rest = raw.seek(0, os.SEEK_END) - start
        raw.seek(start)
    except OSError:
        if count < 0:
            raise OSError("could not seek in file") from None
        rest = None
    there = None if rest is None else int(rest / dtype.itemsize)
    wanted = there if count < 0 else count
    check_size(wanted, dtype)
    # What is not in the file needs no memory either. A device has no length that says so.
    array = np.ndarray((wanted if not there or there < 0 else min(wanted, there),), dtype)
    filled = fill(raw, array)
    if there and 0 < there < wanted:
        raw.seek(0, os.SEEK_END)
    whole = filled // dtype.itemsize
    return array if whole == len(array) else array[:whole].copy()


class Held(io.BufferedIOBase):
    """Bytes in memory as a file, which become an array's without a copy."""

    def __init__(self, data):
        self._data, self._at = memoryview(data), 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, offset, whence=0):
        self._at = max(0, offset + (0, self._at, len(self._data))[whence])
        return self._at

    def read(self, size=-1):
        end = len(self._data) if size is None or size < 0 else self._at + size
        part = self._data[self._at : end]
        self._at += len(part)
        return part.tobytes()

    def readinto(self, space):
        part = self._data[self._at : self._at + len(space)]
        space[: len(part)] = part
        self._at += len(part)
        return len(part)

    def items(self, dtype, count):
        """The next items, as an array on these bytes; None where they are not all there, or do not lie as an array's should."""
        size = count * dtype.itemsize
        part = self._data[self._at : self._at + size]
        if not 0 < size == len(part) or part.readonly:
            return None
        array = np.ndarray(count, dtype, part)
        if not array.flags.aligned:
            return None
        self._at += size
        return array


#: Classes of files whose own `readinto` gives what their `read` gives; in a subclass only one of them may be overridden.
DIRECT = (io.FileIO, io.BufferedReader, io.BufferedRandom, io.BytesIO, Held)


def fill(file, array):
    """Reads the bytes of an array from where the file stands, and says how many came before its end."""
    space = memoryview(array.reshape(-1).view(np.uint8)) if array.size and array.itemsize else memoryview(b"")
    done = 0
    while done < len(space):
        if type(file) in DIRECT:
            n = file.readinto(space[done : done + (1 << 30)])
        else:
            part = file.read(min(len(space) - done, 1 << 20))
            n = len(part)
            space[done : done + n] = part
        if not n:
            break
        done += n
    return done


@contextlib.contextmanager
def _descriptor(file, mode):
    """A file of its own over the descriptor of a file object, which is moved along when that is closed."""
    file.flush()
    number = os.dup(file.fileno())
    try:
        _check_mode(number, mode)
        raw = io.FileIO(number, mode)
    except BaseException:
        os.close(number)
        raise
    with raw:
        unbuffered = isinstance(file, io.RawIOBase)
        try:
            before = raw.tell()
        except OSError:
            before = None
            if not unbuffered:
                raise OSError(_NO_POSITION) from None
        if before is not None:
            raw.seek(file.tell())
        try:
            yield raw
        finally:
            if before is not None:
                after = raw.tell()
                raw.seek(before)
                file.seek(after)


def _check_mode(number, mode):
    """That what `fdopen` would refuse is refused."""
    try:
        import fcntl
    except ImportError:
        return
    refused = os.O_RDONLY if mode == "wb" else os.O_WRONLY
    if fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == refused:
        raise OSError(_NO_FILE)


def _fspath(file):
    return os.fspath(file) if hasattr(file, "__fspath__") else file


def is_special(path):
    """Whether something stands at a path that is no file: it is written to, and not replaced."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
