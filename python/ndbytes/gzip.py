"""gzip streams (RFC 1952): those of Python's own ``gzip``, of any array, and read with a bound."""

from ndbytes import _core

__all__ = ["compress", "decompress"]


def compress(data, level=-1, *, threads=None) -> bytes:
    """The gzip stream of an array's items, in C order.

    Parameters
    ----------
    data : array or buffer
        Any array without Python objects, at any strides.
    level : int, optional
        0 (stored) to 9; -1 is 6.
    threads : int, optional
        How many may work on it; so far one does.

    Returns
    -------
    bytes
        What ``gzip.decompress`` and ``gunzip`` read; it has no time and no name in it.

    Raises
    ------
    ArgumentError
        For another level, fewer than one thread, and what is no array.
    UnsupportedError
        For objects, StringDType and masked arrays.

    Examples
    --------
    >>> import gzip, numpy as np, ndbytes as ndb
    >>> gzip.decompress(ndb.gzip.compress(np.array([1, 2], "<u2")))
    b'\\x01\\x00\\x02\\x00'
    """
    return _core.compress(True, data, level, threads)


def decompress(buf, *, dtype=None, shape=-1, out=None, max_bytes=None):
    """What the members of a gzip stream hold, and no more of it than is allowed.

    Parameters
    ----------
    buf : buffer
        One stream, which is all of the buffer.
    dtype : dtype, optional
        What an item is. Without it the result is ``bytes``.
    shape : int or tuple of int, optional
        The length of each axis; one may be -1, to take what there is.
    out : ndarray or writable buffer, optional
        Takes the bytes, as many as it has, and is returned. Its content is undefined after an error.
    max_bytes : int, optional
        How many bytes may come out. Where neither this, nor ``shape`` or ``out`` say it: 1 GiB.

    Returns
    -------
    bytes, ndarray, or ``out``

    Raises
    ------
    LimitError
        If there is more than may come out; at most one byte beyond it was made. If dtype and shape need more than
        ``max_bytes``: before any was.
    TruncatedError, FormatError, ChecksumError
        For a stream that is cut, is none, has other bytes behind it, is damaged, or does not fit
        dtype and shape.
    MismatchError
        For an ``out`` that is not of dtype and shape.
    ArgumentError
        For arguments that cannot be meant.

    Examples
    --------
    >>> import gzip, ndbytes as ndb
    >>> ndb.gzip.decompress(gzip.compress(b"\\x01\\x00\\x02\\x00"), dtype="<u2", shape=2)
    array([1, 2], dtype=uint16)
    """
    return _core.decompress(True, buf, dtype, shape, out, max_bytes)
