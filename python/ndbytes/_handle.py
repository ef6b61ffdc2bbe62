"""`ndbytes.Handle`: the face of an array in a file."""

import operator
import os

import numpy as np

from ndbytes._errors import ArgumentError, ArgumentTypeError, MismatchError
from ndbytes._growing import Growing
from ndbytes._memory import Mapped
from ndbytes._parts import Coded

_CLOSED = "the handle is closed; open the file again"


class Handle:
    """An array in a file, which :func:`ndbytes.open` gives: it has the face of an ``ndarray``.

    ``h[index]`` reads what NumPy's index takes (slices, ints, arrays of them, masks, names of fields), into memory of
    its own that outlives the handle; ``h[index] = value`` writes. A file that has been cut is a TruncatedError. Handles
    are read by any number of threads at once, and are pickled by their path in mode ``r``.

    To a ``.ndb`` that began with shape ``(None, ...)`` rows are appended; reading such a handle flushes them. A kill leaves what was
    flushed.

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
        """What compresses the blocks of the data, by the header; ``"none"`` for data in one piece. Of an array in a ``.npz`` how that stores
        it."""
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
        if isinstance(self._open, Growing):
            raise ArgumentError("to a .ndb rows are appended; it gets no other length: load and save it to change it")
        if not isinstance(self._open, Mapped):
            raise ArgumentError("only a file that is mapped can change its length: open it with mode 'r+'")
        self._open.core.resize(length)

    def append(self, rows):
        """Adds an array of rows behind the last one, of the same dtype (byte order too) and other axes.

        A ``.npy`` is written anew, as by ``resize``. To a ``.ndb`` that began with shape ``(None, ...)`` they are appended: some wait
        in memory until they fill blocks, and all of them are part of the file once ``flush`` or ``close`` has returned.
        """
        if not isinstance(self._open, (Mapped, Growing)):
            what = "only a file that is mapped can change its length, or a .ndb that began with shape (None, ...)"
            raise ArgumentError(f"{what}: open it with mode 'r+'")
        self._open.core.append(rows)

    def close(self):
        """Does what ``flush`` does, and lets go of the file. A closed handle may be closed again."""
        memory = self._memory
        if isinstance(memory, Growing):
            try:
                memory.core.close()
            finally:
                # A signal handler that interrupts an append may not close what that still writes to.
                if not memory.core.is_open():
                    self._memory, self._where = None, self.path
            return
        self._memory, self._where = None, self.path
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
    from ndbytes._open import open  # It gives handles.

    return open(path, **options)


def _check_out(out, dtype, shape):
    if not isinstance(out, np.ndarray):
        raise ArgumentTypeError(f"out must be a NumPy array, found {type(out).__name__}")
    if out.dtype != dtype or out.shape != shape:
        raise MismatchError(f"out is of {out.dtype.str} and shape {out.shape}, what is read of {dtype.str} and {shape}")
    if not out.flags.writeable:
        raise ArgumentError("out is read-only")
