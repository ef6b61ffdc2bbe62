"""`ndbytes.Archive`: the arrays of a ``.npz``, each read when it is asked for; and `ndbytes.savez`."""

import os
from collections.abc import Mapping

from ndbytes import _core
from ndbytes._errors import ArgumentError


class Archive(Mapping):
    """The arrays of a ``.npz``, which :func:`ndbytes.load` gives: a mapping of their names, without ``.npy``, in the order of the file.

    Each access reads the member anew, to its end, and compares its CRC-32; a member that is no array comes as ``bytes``. Names
    are keys and nothing else, ``params/dense/kernel`` is one; the member's full name is taken too. ``dict(d)`` reads everything, one by one,
    and ``d.read()`` the same on all threads. Any number of threads may read at once. ``with`` closes.

    Opened with ``mmap="r"``, arrays that are stored as they are show the file, read-only and without comparing their sums; they
    outlive the archive.

    Examples
    --------
    >>> import numpy as np, ndbytes as ndb, tempfile, os
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "a.npz")
    ...     ndb.save(path, {"x": np.arange(3), "net/bias": np.zeros(2)})
    ...     with ndb.load(path) as d:
    ...         list(d), d["x"], d.info("net/bias")["spec"]
    (['x', 'net/bias'], array([0, 1, 2]), '<f8[2]')
    """

    __slots__ = ("__weakref__", "_core", "_files", "_members", "_where", "_mapped")

    def __init__(self, core, where, mapped):
        self._core, self._mapped = core, mapped
        self._where = os.fsdecode(where) if isinstance(where, (str, bytes, os.PathLike)) else None
        self._files = core.keys
        # A key goes before a name: another member may be called so.
        self._members = {name: index for index, name in enumerate(core.names)}
        self._members |= {key: index for index, key in enumerate(self._files)}

    @property
    def files(self):
        """The names of the members, without ``.npy``, in the order of the file."""
        return list(self._files)

    @property
    def path(self):
        """The path it was opened by; None for a file object."""
        return self._where

    @property
    def closed(self):
        """Whether it was closed."""
        return self._core.closed

    def __iter__(self):
        return iter(self._files)

    def __len__(self):
        return len(self._files)

    def __contains__(self, key):
        return key in self._members

    def __getitem__(self, key):
        index = self._index(key)
        return self._core.map(index) if self._mapped else self._core.read(index)

    # Two archives are equal if they are the same one: to compare what is in them, all would be read.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def read(self, names=None):
        """A dict of all members, or of these, in their order; several are read at a time.

        Raises
        ------
        KeyError
            For a name that is not there; nothing was read.
        ChecksumError, FormatError, TruncatedError, UnsupportedError, LimitError, OSError
            As :func:`ndbytes.load`.
        """
        names = self._files if names is None else list(names)
        indices = [self._index(name) for name in names]
        if self._mapped:
            return {name: self._core.map(index) for name, index in zip(names, indices, strict=True)}
        return dict(zip(names, self._core.read_all(indices), strict=True))

    def info(self, key):
        """What a member is, without reading its data: a dict as :func:`ndbytes.info` gives it.

        ``file_bytes`` are those of the member, ``stored_bytes`` those it takes in the archive, ``codec`` is how it is stored
        (``"stored"``, ``"deflate"``, ``"zstd"``), ``blocks`` in how many parts that can be read alone, ``crc32`` its sum. Of one that is no array ``format`` is ``"bytes"``, and there are no more than
        these and ``nbytes``.
        """
        return self._core.info(self._index(key))

    def close(self):
        """Lets go of the file, at any time: a thread that is reading finishes. A closed archive may be closed again."""
        self._core.close()

    def __enter__(self):
        if self.closed:
            raise ArgumentError("the archive is closed; load the file again")
        return self

    def __exit__(self, *_):
        self.close()

    def __repr__(self):
        where = "a file object" if self._where is None else repr(self._where)
        if self.closed:
            return f"<ndbytes.Archive of {where}, closed>"
        names = ", ".join(map(repr, self._files[:5])) + (", …" if len(self._files) > 5 else "")
        return f"<ndbytes.Archive of {where}: {len(self._files)} members: {names}>"

    def _index(self, key):
        try:
            return self._members[key]
        except KeyError:
            raise KeyError(f"{key!r} is not in the archive") from None


def savez(file, /, *arrays, **named):
    """Writes arrays as members of a ``.npz``, as they are, so that they can be mapped: with ``np.savez``'s signature and names.

    ``save("a.npz", {…}, codec=…, level=…)`` compresses; these options are not taken here, so that arrays may be called so.

    Parameters
    ----------
    file : path or file object
        A path gets the suffix ``.npz`` where it does not end with it; the file is replaced whole or not at all.
    *arrays, **named : array
        Arrays with a keyword are stored under it, and before the others, which become ``arr_0``, ``arr_1``, ….

    Raises
    ------
    ArgumentError
        For a keyword ``arr_0`` beside arrays without; as :func:`ndbytes.save`.
    UnsupportedError, OSError
        As :func:`ndbytes.save`.

    Examples
    --------
    >>> import numpy as np, ndbytes as ndb, tempfile, os
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "a.npz")
    ...     ndb.savez(path, np.arange(3), level=np.ones(2))
    ...     ndb.load(path, mmap="r").read()
    {'level': array([1., 1.]), 'arr_0': array([0, 1, 2])}
    """
    for index, array in enumerate(arrays):
        key = f"arr_{index}"
        if key in named:
            raise ArgumentError(f"an array without a name would be called {key}, as one with that keyword is")
        named[key] = array
    if isinstance(file, (str, bytes, os.PathLike)):
        file = os.fsdecode(file)
        file += "" if file.endswith(".npz") else ".npz"
    _core.save(file, named, format="npz", codec="stored")
