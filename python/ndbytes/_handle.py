"""`ndbytes.open`: arrays in files, read and written a part at a time."""

import operator
import os

import numpy as np

from ndbytes import _core
from ndbytes._errors import ArgumentError, ArgumentTypeError, MismatchError
from ndbytes._memory import Held, Mapped
from ndbytes._parts import Coded

_MODES = {"readonly": "r", "readwrite": "r+", "copyonwrite": "c", "write": "w+", "w": "w+"}
_CLOSED = "the handle is closed; open the file again"


def open(path_or_buffer, mode="r", *, dtype=None, shape=None, order=None, offset=0, gap=0, checksum=None, name=None,
         attrs=None, limits=None, require_checksum=False) -> "Handle":
    """Opens an array for reading, or for reading and writing, without loading it.

    Parameters
    ----------
    path_or_buffer : path or buffer
        A ``.npy`` (bare or checked) or ``.ndb`` file is mapped; of one whose data are in blocks those that are touched are read, and
        their checksums compared; one in a zlib or gzip stream is loaded. ``bytes``, ``memoryview``, ``mmap``, … are looked at
        where they are; their checksums are compared first, or block by block.
    mode : {'r', 'r+', 'c', 'w+'}, optional
        r: read. r+: what is written goes to the file. c: what is written stays in memory. w+ (or w): a new file of
        zeros, in place of an old one. NumPy's long names are taken too.
    dtype, shape, order, offset, gap : optional
        What a file without a header holds, as for ``frombuffer``; for a new file what it is to hold (``.npy``, or
        ``.raw`` and ``.bin`` without a header).
    checksum, name, attrs : optional
        For a new ``.npy``: whether it has checksums, the array's name, and a dict of what else is to be said of it.
    limits : Limits, optional
        Default ``Limits.local()``.
    require_checksum : bool, optional
        True: a file without checksums is an error. The sums of mapped data are compared by ``verify``.

    Returns
    -------
    Handle

    Raises
    ------
    FormatError, TruncatedError, ChecksumError, UnsupportedError, LimitError
        For a file that is none of these, whose size does not fit, or that is damaged as far as can be seen.
    ArgumentError
        For arguments that cannot be meant.
    OSError
        From the system, with errno and filename.

    Examples
    --------
    >>> import numpy as np, ndbytes as ndb, tempfile, os
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "a.npy")
    ...     with ndb.open(path, "w+", dtype="<f4", shape=(3, 2), checksum=True) as h:
    ...         h[1] = 7, 8
    ...         h.append(np.ones((1, 2), "<f4"))
    ...     with ndb.open(path) as h:
    ...         h.shape, h.checksum_state, h[1:, 0]
    ((4, 2), 'present', array([7., 0., 1.], dtype=float32))
    """
    mode = _MODES.get(mode, mode)
    if mode not in ("r", "r+", "c", "w+"):
        raise ArgumentError(f"mode must be one of r, r+, c, w+ (or w), found {mode!r}")
    declared = {"dtype": dtype, "shape": shape, "order": order, "offset": offset, "gap": gap}
    given = {"limits": limits, "require_checksum": require_checksum}
    if mode != "w+" and (checksum is not None or name is not None or attrs is not None):
        raise ArgumentError("checksum, name and attrs are for a new file, of mode w+")
    if _is_buffer(path_or_buffer):
        if mode != "r":
            raise ArgumentError(f"a buffer is only read: mode {mode!r} is for files")
        return Handle(_held(path_or_buffer, declared, given), mode, path_or_buffer, declared)
    try:
        path = os.fsdecode(path_or_buffer)
    except TypeError:
        found = type(path_or_buffer).__name__
        raise ArgumentTypeError(f"expected a path or a buffer, found {found}; load() takes file objects") from None
    options = {**declared, **given}
    if mode == "w+":
        memory = Mapped(_created(path, declared, bool(checksum), name, attrs))
        if not _is_headerless(path):
            options["dtype"] = None  # Its header says it from now on.
    elif dtype is None and (found := _core.peek(path, limits))["compression"]:
        if mode != "r":
            raise ArgumentError(f"{path}: compressed, so it is only read; load and save it to change it")
        memory = _held(path, declared, given)
    elif dtype is None and found["block"] is not None:
        if mode != "r":
            what = 'save it with codec="none", or as .npy, to change it in place'
            raise ArgumentError(f"{path}: its data are in blocks, so it is only read; {what}")
        _check_undeclared(declared)
        memory = Coded(_core.Parts.open(path, limits))
    else:
        memory = Mapped(_core.Map.open(path, mode, **options))
    return Handle(memory, mode, path, options)


def _is_buffer(given):
    if isinstance(given, (str, os.PathLike)):
        return False
    try:
        memoryview(given).release()
    except (TypeError, ValueError, BufferError):
        return False
    return True


def _held(given, declared, options):
    """The array in a buffer or in a compressed file, in memory."""
    if declared["dtype"] is not None:
        array = _core.frombuffer(given, **declared).view()
        array.flags.writeable = False
        return Held(array, None, None, "none")
    _check_undeclared(declared)
    if _is_buffer(given) and _core.is_coded(given):
        return Coded(_core.Parts.of(given, options["limits"]))
    array, state, name, attrs = _core.held(given, **options)
    return Held(array, name, attrs, state)


def _check_undeclared(declared):
    if any(value is not None and value != 0 for value in declared.values()):
        raise ArgumentError("shape, order, offset and gap are for items without a header, with dtype")


def _created(path, declared, checksum, name, attrs):
    if declared["dtype"] is None or declared["shape"] is None:
        raise ArgumentError("a new file needs dtype and shape")
    headerless = _is_headerless(path)
    if not headerless and not path.endswith(".npy"):
        what = "a .ndb is written once, by save()" if path.endswith(".ndb") else "the name says no format"
        raise ArgumentError(f"{path}: {what}; a new file that is written in place ends in .npy, .raw or .bin")
    return _core.Map.create(path, headerless, **declared, checksum=checksum, name=name, attrs=attrs)


def _is_headerless(path):
    return path.endswith((".raw", ".bin"))


class Handle:
    """An array in a file, which :func:`ndbytes.open` gives: it has the face of an ``ndarray``.

    ``h[index]`` reads what NumPy's index takes (slices, ints, arrays of them, masks, names of fields), into memory of
    its own that outlives the handle; ``h[index] = value`` writes. A file that has been cut is a TruncatedError. Handles
    are read by any number of threads at once, and are pickled by their path in mode ``r``.

    The first write to a file with checksums marks them as open; ``flush`` and ``close`` make them anew. ``with`` closes.
    A handle that is dropped without that leaves them open.
    """

    __slots__ = ("__weakref__", "_memory", "_mode", "_options", "_where")

    def __init__(self, memory, mode, where, options):
        self._memory, self._mode, self._where, self._options = memory, mode, where, options

    @property
    def _open(self):
        memory = self._memory
        if memory is None:
            raise ArgumentError(_CLOSED)
        return memory

    @property
    def _declared(self):
        """What items without a header were declared to be; None where a header says it."""
        self._open
        return self._options if self._options.get("dtype") is not None else None

    @property
    def mode(self):
        """r, r+ or c; a new file is r+."""
        return "r+" if self._mode == "w+" else self._mode

    @property
    def path(self):
        """The path it was opened by; None for a buffer."""
        return self._where if isinstance(self._where, str) else None

    @property
    def closed(self):
        """Whether it was closed."""
        return self._memory is None

    @property
    def dtype(self):
        """The dtype of the items."""
        return self._open.dtype

    @property
    def shape(self):
        """The length of each axis."""
        return self._open.shape

    @property
    def ndim(self):
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self):
        """The number of items."""
        return int(np.prod(self.shape, dtype=object))

    @property
    def itemsize(self):
        """Bytes of an item."""
        return self.dtype.itemsize

    @property
    def nbytes(self):
        """Bytes of all items."""
        return self.size * self.itemsize

    @property
    def name(self):
        """The array's name, or None."""
        return self._open.name

    @property
    def attrs(self):
        """What else is said of it: a dict, or None."""
        attrs = self._open.attrs
        if not isinstance(attrs, str):
            return attrs
        import json  # Not at the top: it is most of the time that importing this package would take.

        return json.loads(attrs)

    @property
    def checksum_state(self):
        """``"none"``; ``"present"``: not compared yet, ``verify`` does, and reads do block by block where there are blocks; ``"open"``: they say nothing while the data are
        being changed; ``"verified"``: compared when it was opened."""
        return self._open.state

    @property
    def codec(self):
        """What compresses the blocks of the data, by the header; ``"none"`` for data in one piece."""
        return self._open.codec

    @property
    def filter(self):
        """What is done to them before, by the header; ``"none"`` for data in one piece."""
        return self._open.filter

    @property
    def block(self):
        """The lengths of a block along each axis; None for data in one piece."""
        return self._open.block

    def __len__(self):
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self):
        if not self.shape:
            raise TypeError("iteration over a 0-d array")
        return (self[at] for at in range(len(self)))

    def __getitem__(self, index):
        return self._open.read(index)

    def __setitem__(self, index, value):
        if self.mode == "r":
            self._open
            raise ArgumentError("opened for reading; open it with mode 'r+' to change the file, or 'c' to change memory")
        self._open.write(index, value)

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ArgumentError("what a handle gives is a copy; load(path, mmap='r') gives an array without one")
        array = np.asarray(self[...])
        return array if dtype is None else array.astype(dtype, copy=False)

    def take(self, rows, axis=0, out=None):
        """Reads the items at these positions of an axis, as ``ndarray.take`` does.

        Parameters
        ----------
        rows : int or array of ints
            Positions, from the end where they are negative.
        axis : int, optional
            Default 0.
        out : ndarray, optional
            A writable array of the result's dtype and shape: takes the items and is returned.

        Returns
        -------
        ndarray
            Of shape ``h.shape[:axis] + rows.shape + h.shape[axis + 1:]``.

        Raises
        ------
        IndexError
            For a position outside the axis, or an axis that is not there.
        MismatchError
            For another ``out``; nothing was written to it.
        """
        rows = np.asarray(rows)
        if rows.size == 0:
            rows = rows.astype(np.intp)
        if rows.dtype.kind not in "iu":
            raise ArgumentTypeError(f"rows must be ints, found {rows.dtype}")
        shape, ndim = self.shape, self.ndim
        if not -ndim <= axis < ndim:
            raise np.exceptions.AxisError(axis, ndim)
        axis %= ndim
        if out is not None:
            _check_out(out, self.dtype, shape[:axis] + rows.shape + shape[axis + 1 :])
        # A lone int is an index of no axes here, and not of none.
        return self._open.read((slice(None),) * axis + (rows if rows.ndim else int(rows), Ellipsis), out)

    def flush(self):
        """Puts what was written on the disk, and makes the file's checksums anew, for which all data are read."""
        if self.mode == "r+":
            self._open.core.flush()
        else:
            self._open

    def resize(self, length):
        """Makes the first axis this long: rows are cut off at the end, or zeros added.

        The file is written anew and replaced, whole or not at all, at the price of one copy.
        """
        length = operator.index(length)
        if length < 0:
            raise ArgumentError(f"an axis cannot have the length {length}")
        self._growing().resize(length)

    def append(self, rows):
        """Adds an array of rows behind the last one, of the same dtype (byte order too) and other axes; as ``resize``."""
        self._growing().append(rows)

    def _growing(self):
        if not isinstance(self._open, Mapped):
            raise ArgumentError("only a file that is mapped can change its length: open it with mode 'r+'")
        return self._open.core

    def close(self):
        """Does what ``flush`` does, and lets go of the file. A closed handle may be closed again."""
        memory, self._memory, self._where = self._memory, None, self.path
        if isinstance(memory, (Mapped, Coded)):
            memory.core.close()

    def __enter__(self):
        self._open
        return self

    def __exit__(self, *_):
        self.close()

    def __repr__(self):
        where = "a buffer" if self.path is None else repr(self.path)
        if self.closed:
            return f"<ndbytes.Handle of {where}, closed>"
        return f"<ndbytes.Handle of {where}: dtype {self.dtype}, shape {self.shape}, mode {self.mode!r}>"

    def __reduce__(self):
        self._open
        if self.path is None or self.mode != "r":
            raise ArgumentTypeError("only a handle of a path, of mode 'r', can be pickled: it is opened again")
        return _reopen, (os.path.abspath(self.path), self._options)


def _reopen(path, options):
    return open(path, **options)


def _check_out(out, dtype, shape):
    if not isinstance(out, np.ndarray):
        raise ArgumentTypeError(f"out must be a NumPy array, found {type(out).__name__}")
    if out.dtype != dtype or out.shape != shape:
        raise MismatchError(f"out is of {out.dtype.str} and shape {out.shape}, what is read of {dtype.str} and {shape}")
    if not out.flags.writeable:
        raise ArgumentError("out is read-only")
