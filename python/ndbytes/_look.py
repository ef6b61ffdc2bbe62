"""`ndbytes.info`, `ndbytes.verify` and `ndbytes.digest`, of paths, buffers and handles."""

import os

import numpy as np

from ndbytes import _core
from ndbytes._handle import Handle


def info(x, *, limits=None) -> dict:
    """What a file, buffer or handle holds, as its header and tail say; the data are not read.

    Parameters
    ----------
    x : path, buffer or Handle
        A ``.npy`` or ``.ndb``, or one of them in a zlib or gzip stream, of that the header only; or a ``.npz``.
    limits : Limits, optional
        Default ``Limits.local()``.

    Returns
    -------
    dict
        ``format`` (``"npy"``, ``"ndb"``; ``"raw"`` for a handle of items alone), ``version``, ``dtype``, ``shape``,
        ``order`` (``"C"`` or ``"F"``), ``nbytes`` of the data, ``header_bytes`` before them, ``file_bytes`` of it all,
        ``compression`` (``"zlib"``, ``"gzip"`` or None), ``codec`` and ``filter`` of data in blocks, else ``"none"``, and
        ``block``, the lengths of a block along each axis, else None; ``grows``, whether rows can be appended to these; ``checksum`` (``"none"``; ``"present"``, and not compared
        here; ``"open"``: a writer did not finish), ``name``, ``attrs``, and ``spec``, as ``expect=`` takes it. Of a ``.npz``: ``format``,
        ``file_bytes``, and ``members``, a dict of what each of them is, as :meth:`Archive.info` gives it.

    Raises
    ------
    FormatError, TruncatedError, ChecksumError, UnsupportedError, LimitError
        For what is none of these, is cut, or whose header or tail is damaged.
    ArgumentError
        For a closed handle, and a file of items alone.
    OSError
        From the system, with errno and filename.

    Examples
    --------
    >>> import numpy as np, ndbytes as ndb
    >>> found = ndb.info(ndb.dumps(np.zeros((2, 3), "<f4"), name="x"))
    >>> found["format"], found["shape"], found["checksum"], found["name"], found["spec"]
    ('npy', (2, 3), 'present', 'x', '<f4[2,3]')
    """
    if not isinstance(x, Handle):
        return _core.peek(x, limits)
    declared, member = x._declared, x._options.get("member")
    if member is not None:
        return _core.peek(x._where, limits)["members"][member]
    if declared is None:
        return _core.peek(x._where, limits)
    return {
        "format": "raw",
        "version": None,
        "dtype": x.dtype,
        "shape": x.shape,
        "order": _order(declared["order"]),
        "nbytes": x.nbytes,
        "header_bytes": declared["offset"],
        "file_bytes": os.stat(x.path).st_size if x.path is not None else memoryview(x._where).nbytes,
        "compression": None,
        "codec": "none",
        "filter": "none",
        "block": None,
        "grows": False,
        "checksum": "none",
        "name": None,
        "attrs": None,
        "spec": _core.spec(x.dtype, x.shape),
    }


def _order(given):
    return "F" if given in ("F", "f") else "C"


def verify(x, *, limits=None) -> _core.Report:
    """Reads a file, buffer or handle to its end, and compares it with its checksums; nothing is kept in memory.

    Parameters
    ----------
    x : path, buffer or Handle
        As for ``info``, and a ``.npz``, every member of which is read; of a handle that maps a file: the file as it is now.
    limits : Limits, optional
        Default ``Limits.local()``.

    Returns
    -------
    Report
        True if nothing is damaged. Damage is not raised, but told: ``state``, ``block``, ``start``, ``stop``, ``error``;
        ``raise_for_damage()`` raises it.

    Raises
    ------
    FormatError
        For what is none of these formats from its first byte on.
    UnsupportedError, LimitError
        For what cannot be read here, whether it is damaged or not.
    ArgumentError
        For a closed handle, and a file of items alone.
    OSError
        From the system, with errno and filename.

    Examples
    --------
    >>> import numpy as np, ndbytes as ndb
    >>> data = bytearray(ndb.dumps(np.arange(4)))
    >>> ndb.verify(data)
    <ndbytes.Report verified: 32 bytes in 1 blocks>
    >>> data[130] ^= 1
    >>> report = ndb.verify(data)
    >>> report.ok, report.state, report.block, report.start, report.stop
    (False, 'damaged', 0, 128, 160)
    """
    if not isinstance(x, Handle):
        return _core.verify(x, limits)
    memory = x._open
    if hasattr(memory, "core"):
        return memory.core.verify()
    if x._declared is not None:
        return _core.Report.unchecked(x.nbytes)
    return _core.verify(x._where, limits)


def digest(x, *, limits=None, threads=None) -> str:
    """A name for an array that is the same whatever it is stored in: 64 hexadecimal digits.

    It is the BLAKE3 of dtype, shape and items: equal for equal arrays in memory at any strides, and as ``.npy``, checked or
    not, ``.npz``, ``.ndb`` with any codec, or compressed, in any order and byte order; and another one if a single bit
    differs, ``-0.0`` from ``0.0`` too. What lies between fields, and what pads a long double, does not count.

    Parameters
    ----------
    x : array, path, buffer or Handle
        An array is a NumPy array, or what has an array interface. A path or buffer holds one, as for ``verify``: it is read
        to its end and checked where it has checksums, in little memory, unless it is in Fortran order. A handle is
        verified, and then read.
    limits : Limits, optional
        For what is read; default ``Limits.local()``.
    threads : int, optional
        How many may work on an array in C order in memory; by default as many as this process may run on.

    Returns
    -------
    str
        Of a ``.npz`` a dict of them, by the keys of its arrays.

    Raises
    ------
    FormatError, TruncatedError, ChecksumError, UnsupportedError, LimitError, OSError
        As ``load``: what is damaged has no digest.
    ArgumentError
        For what is no array, and a closed handle.

    Notes
    -----
    ``bfloat16`` in a bare ``.npy`` is ``V2``, since its header has no other name, and so has another digest. A record
    whose fields overlap keeps its byte order, since none can be right for both. ``spec/FORMAT.md`` writes out the form.

    Examples
    --------
    >>> import numpy as np, ndbytes as ndb
    >>> a = np.arange(6, dtype="<i4").reshape(2, 3)
    >>> ndb.digest(a)
    'a40641be7bfffa05a534d2399b991e36896582dc7faee016045a7bdeac04aa91'
    >>> ndb.digest(a) == ndb.digest(ndb.dumps(np.asfortranarray(a.astype(">i4")), codec="zstd"))
    True
    """
    if isinstance(x, Handle):
        verify(x, limits=limits).raise_for_damage()
        return _core.digest(np.asarray(x[...]), threads)
    if isinstance(x, (np.ndarray, np.generic)) or hasattr(x, "__array_interface__") or hasattr(x, "__dlpack__"):
        return _core.digest(x, threads)
    return _core.digest_stored(x, limits, threads)
