"""``tobytes`` and ``frombuffer``."""

import operator
import struct
import sys

import numpy as np

from ndbytes import _core

_PROBE = struct.Struct("")


def tobytes(a, order="C"):
    """The items of an array as bytes: ``a.tobytes(order)``.

    Parameters
    ----------
    a : ndarray or NumPy scalar
        At any strides. A subclass with a ``tobytes`` of its own (a masked array) is asked instead.
    order : {'C', 'F', 'A', 'K', None}
        As NumPy means it here: A is F for an array that is Fortran- and not C-contiguous, and C otherwise; None is C,
        and so is K, but for text: where the NumPy that is installed keeps the order of the memory then, so does this.

    Returns
    -------
    bytes

    Raises
    ------
    TypeError, ValueError
        As NumPy.

    Examples
    --------
    >>> import numpy as np, ndbytes.numpy as npio
    >>> npio.tobytes(np.array([[1, 2], [3, 4]], "u1"), "F")
    b'\\x01\\x03\\x02\\x04'
    """
    order = _letter(order)
    a = plain(a, "tobytes")
    if type(a).tobytes is not np.ndarray.tobytes or a.dtype.hasobject:
        return a.tobytes(order)
    a = bare(a)
    if order == "K" and _KEEPS_TEXT and a.ndim > 1 and _has_text(a.dtype):
        return _core.tobytes(a.transpose(_by_stride(a)), "C")
    return _core.tobytes(a, order)


#: NumPy 2.4 means by K the order of the memory for text, and C for everything else.
_KEEPS_TEXT = np.array([["a", "b"]] * 2).T.tobytes("K") != np.array([["a", "b"]] * 2).T.tobytes("C")


def _has_text(dtype):
    if dtype.names is not None:
        return any(_has_text(dtype.fields[name][0]) for name in dtype.names)
    return dtype.base.kind == "U" if dtype.base is dtype else _has_text(dtype.base)


def _by_stride(a):
    """The axes as NumPy's iterators go through memory: the one with the longest step first; those without one stay."""
    steps = [0 if length == 1 else abs(step) for length, step in zip(a.shape, a.strides)]
    axes = []  # The innermost first.
    for axis in reversed(range(a.ndim)):
        place = len(axes)
        for index in reversed(range(len(axes))):
            if steps[axis] and steps[axes[index]]:
                if steps[axes[index]] <= steps[axis]:
                    break
                place = index
        axes.insert(place, axis)
    return axes[::-1]


def frombuffer(buffer, dtype=None, count=-1, offset=0, *, like=None):
    """A view of a buffer as an array of one axis: ``np.frombuffer``.

    Parameters
    ----------
    buffer : buffer
        bytes, bytearray, mmap, array, … in one piece.
    dtype : dtype, optional
        What an item is; by default float64.
    count : int, optional
        How many items; negative: all of them.
    offset : int, optional
        Bytes before the first one.
    like : array_like, optional
        As NumPy: another kind of array makes its own.

    Returns
    -------
    ndarray
        Writable if the buffer is. While it lives, a buffer that could be resized is not.

    Raises
    ------
    TypeError, ValueError
        As NumPy.

    Notes
    -----
    ``base`` is the buffer itself, as with NumPy, for bytes and arrays; for others it is an array over a memoryview of
    it, where NumPy has the memoryview.

    Examples
    --------
    >>> import ndbytes.numpy as npio
    >>> npio.frombuffer(b"\\x01\\x00\\x02\\x00", "<u2")
    array([1, 2], dtype=uint16)
    """
    if like is not None:
        return np.frombuffer(buffer, dtype, count, offset, like=like)
    dtype = np.dtype(float if dtype is None else dtype)
    count, offset = _ssize(count), _ssize(offset)
    if dtype.hasobject:
        raise ValueError("cannot create an OBJECT array from memory buffer")
    if dtype.itemsize == 0 and dtype.kind in "SUV" and dtype.names is None:
        raise ValueError("itemsize cannot be zero in type")
    held = _held(buffer)
    length = held.nbytes
    if not 0 <= offset <= length:
        raise ValueError(f"offset must be non-negative and no greater than buffer length ({length})")
    length -= offset
    if count < 0:
        if dtype.itemsize == 0:
            raise ValueError("cannot determine count if itemsize is 0")
        if length % dtype.itemsize:
            raise ValueError("buffer size must be a multiple of element size")
        count = length // dtype.itemsize
    check_size(count, dtype)
    if count * dtype.itemsize > length:
        raise ValueError("buffer is smaller than requested size")
    return np.ndarray((count,), dtype, held.object, offset)


def check_size(count, dtype):
    """That so many items have a number of bytes that an array can have."""
    if count * dtype.itemsize > sys.maxsize:
        raise ValueError("array is too big; `arr.size * arr.dtype.itemsize` is larger than the maximum possible size.")


class _held:
    """What an array may stand on for as long as it likes, and how many bytes that has."""

    def __init__(self, buffer):
        _PROBE.unpack_from(buffer)  # Asks for plain bytes, so that what has none raises what it raises for NumPy.
        if isinstance(buffer, bytes):
            self.object, self.nbytes = buffer, len(buffer)
        elif isinstance(buffer, (np.ndarray, np.generic)):
            self.object, self.nbytes = buffer, buffer.nbytes
        else:
            # A memoryview keeps its owner from being resized; `np.ndarray` would look through it and let it go.
            self.object = np.asarray(memoryview(buffer).cast("B"))
            self.nbytes = self.object.nbytes


def plain(a, method):
    """The array that a method of `ndarray` is called on."""
    if isinstance(a, np.ndarray):
        return a
    if isinstance(a, np.generic):
        return np.asarray(a)
    found = type(a).__name__
    raise TypeError(f"descriptor '{method}' for 'numpy.ndarray' objects doesn't apply to a '{found}' object")


def bare(a):
    """The same items without the class: what a subclass means by them is not stored."""
    return a if type(a) is np.ndarray else a.view(np.ndarray)


def _letter(order):
    if order is None:
        return "C"
    if isinstance(order, bytes):
        order = order.decode("latin1")
    if not isinstance(order, str):
        raise TypeError(f"order must be str, not {type(order).__name__}")
    if order not in tuple("CFAKcfak"):
        raise ValueError(f"order must be one of 'C', 'F', 'A', or 'K' (got '{order}')")
    return order.upper()


def _ssize(number):
    number = operator.index(number)
    if not -sys.maxsize - 1 <= number <= sys.maxsize:
        raise OverflowError("Python int too large to convert to C ssize_t")
    return number
