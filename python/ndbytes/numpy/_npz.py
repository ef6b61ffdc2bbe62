"""``savez``, ``savez_compressed`` and `NpzFile`."""

import io
import os
import pickle
import stat
import weakref
from collections.abc import Mapping

import numpy as np

from ndbytes import _core
from ndbytes._errors import ArgumentError, ChecksumError, Error, UnsupportedError
from ndbytes.numpy import format
from ndbytes.numpy._file import Held, is_special
from ndbytes.numpy._header import MAX_HEADER_SIZE as _MAX_HEADER_SIZE


def savez(file, *args, allow_pickle=True, **kwds):
    """Writes arrays as members of a ``.npz``, as they are: ``np.savez``, byte for byte.

    Parameters
    ----------
    file : path or file object
        A path gets the suffix ``.npz`` where it does not end with it.
    *args, **kwds : array_like
        Arrays with a keyword are stored under it; the others as ``arr_0``, ``arr_1``, ….
    allow_pickle : bool, optional
        Whether arrays of Python objects are written as pickles.

    Raises
    ------
    ValueError
        For a keyword ``arr_0`` beside arrays without, objects without `allow_pickle`, and dtypes that a header cannot
        describe.
    OSError

    Notes
    -----
    Unlike NumPy: a file at a path is replaced whole or not at all.

    Examples
    --------
    >>> import io, numpy as np, ndbytes.numpy as npio
    >>> file = io.BytesIO()
    >>> npio.savez(file, x=np.arange(3))
    >>> _ = file.seek(0)
    >>> npio.load(file)["x"]
    array([0, 1, 2])
    """
    _savez(file, args, kwds, allow_pickle, False)


def savez_compressed(file, *args, allow_pickle=True, **kwds):
    """Writes arrays as members of a ``.npz``, deflated: ``np.savez_compressed``.

    As `savez`. The bytes of a deflate stream depend on who made it; what is in it does not.
    """
    _savez(file, args, kwds, allow_pickle, True)


def _savez(file, args, kwds, allow_pickle, compressed):
    if not hasattr(file, "write"):
        file = os.fspath(file)
        if not file.endswith(".npz"):
            file = file + ".npz"
    arrays = dict(kwds)
    for index, array in enumerate(args):
        key = f"arr_{index}"
        if key in arrays:
            raise ValueError(f"Cannot use un-named variables and keyword {key}")
        arrays[key] = array
    if not hasattr(file, "read"):
        file = os.fspath(file)
        if is_special(file):
            with open(file, "wb") as opened:
                return _core.numpy.write_zip(opened, _members(arrays, allow_pickle), compressed)
    _core.numpy.write_zip(file, _members(arrays, allow_pickle), compressed)


def _members(arrays, allow_pickle):
    members = []
    for key, array in arrays.items():
        head, array, order = format.prepare(np.asanyarray(array), None, allow_pickle)
        if order is None:
            head, array = head + pickle.dumps(array, protocol=4), None
        members.append((key + ".npy", head, array, order))
    return members


class NpzFile(Mapping):
    """The arrays of a ``.npz``, each read when it is asked for: ``np.lib.npyio.NpzFile``.

    Parameters
    ----------
    fid : path or file object
    own_fid : bool, optional
        Whether closing this closes `fid`.
    allow_pickle, pickle_kwargs, max_header_size : optional
        As `load`.

    Attributes
    ----------
    files : list of str
        The names of the members, without ``.npy``.
    f : object
        Has the arrays as attributes.
    zip : object
        The archive; with `namelist`, `open`, `close` and `fp` only, where NumPy has a ``zipfile.ZipFile``.

    Raises
    ------
    zipfile.BadZipFile
        For what is no archive, or a damaged one; also for one that readers could take for another: names that stand
        twice, members that overlap.
    zlib.error
        For a damaged member that is deflated.
    KeyError
        For a name that is not there.
    """

    zip = None
    fid = None
    _MAX_REPR_ARRAY_COUNT = 5

    def __init__(
        self, fid, own_fid=False, allow_pickle=False, pickle_kwargs=None, *, max_header_size=_MAX_HEADER_SIZE
    ):
        archive = _Zip(fid)
        names = archive.namelist()
        self.files = [name.removesuffix(".npy") for name in names]
        self._files = dict(zip(self.files, names)) | dict(zip(names, names))
        self.allow_pickle = allow_pickle
        self.max_header_size = max_header_size
        self.pickle_kwargs = pickle_kwargs
        self.zip = archive
        self.f = _Attributes(self)
        if own_fid:
            self.fid = fid

    def __enter__(self):
        return self

    def __exit__(self, exc_type, exc_value, traceback):
        self.close()

    def close(self):
        """Closes the archive, and the file if that belongs to it."""
        for opened in (self.zip, self.fid):
            if opened is not None:
                opened.close()
        self.zip = self.fid = self.f = None

    def __del__(self):
        self.close()

    def __iter__(self):
        return iter(self.files)

    def __len__(self):
        return len(self.files)

    def __contains__(self, key):
        return key in self._files

    def __getitem__(self, key):
        try:
            name = self._files[key]
        except KeyError:
            raise KeyError(f"{key} is not a file in the archive") from None
        with self.zip.open(name) as member:
            front = member.read(len(format.MAGIC_PREFIX))
            member.seek(0)
            if front != format.MAGIC_PREFIX:
                return member.read()
            return format.read_array(
                member,
                allow_pickle=self.allow_pickle,
                pickle_kwargs=self.pickle_kwargs,
                max_header_size=self.max_header_size,
            )

    def __repr__(self):
        name = self.fid if isinstance(self.fid, str) else getattr(self.fid, "name", "object")
        keys = ", ".join(self.files[: self._MAX_REPR_ARRAY_COUNT])
        more = "..." if len(self.files) > self._MAX_REPR_ARRAY_COUNT else ""
        return f"NpzFile {name!r} with keys: {keys}{more}"

    # Without annotations in the docstrings, which those of Mapping seem to be.
    def get(self, key, default=None, /):
        """The array of this key, or the default."""
        return Mapping.get(self, key, default)

    def items(self):
        """A view of the keys with their arrays."""
        return Mapping.items(self)

    def keys(self):
        """A view of the keys."""
        return Mapping.keys(self)

    def values(self):
        """A view of the arrays."""
        return Mapping.values(self)


class _Attributes:
    """The items of a mapping as attributes, without keeping it alive."""

    def __init__(self, mapping):
        self._mapping = weakref.proxy(mapping)

    def __getattribute__(self, key):
        try:
            return object.__getattribute__(self, "_mapping")[key]
        except KeyError:
            raise AttributeError(key) from None

    def __dir__(self):
        return list(object.__getattribute__(self, "_mapping").keys())


class _Zip:
    """An archive over a file."""

    def __init__(self, file):
        self._own = not hasattr(file, "read")
        self.fp = open(os.fspath(file), "rb") if self._own else file
        try:
            self._archive = _opened(self.fp)
            self._index = {name: index for index, name in enumerate(self._archive.names)}
        except BaseException as error:
            self.close()
            raise (_bad(error, None) if isinstance(error, Error) else error) from error

    def namelist(self):
        return list(self._index)

    def open(self, name):
        """The bytes of a member, as a file."""
        if self.fp is None:
            raise ValueError("Attempt to use ZIP archive that was already closed")
        try:
            return Held(self._archive.bytes(self._index[name]))
        except UnsupportedError as error:
            return Held(self._unpacked(name, error))
        except ArgumentError:
            raise  # Of a call inside another one, which says nothing of the archive.
        except Error as error:
            raise _bad(error, name) from error

    def _unpacked(self, name, error):
        """The bytes of a member that was packed in a way which Python knows and the core does not."""
        method, start, end, size, crc = self._archive.place(self._index[name])
        if method not in (12, 14):
            raise NotImplementedError(str(error)) from error
        import zlib

        self.fp.seek(start)
        packed = self.fp.read(end - start)
        if method == 12:
            import bz2

            data = bz2.BZ2Decompressor().decompress(packed, size + 1)
        else:
            import lzma

            properties = int.from_bytes(packed[2:4], "little")
            decode = lzma._decode_filter_properties(lzma.FILTER_LZMA1, packed[4 : 4 + properties])
            unpacker = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[decode])
            data = unpacker.decompress(packed[4 + properties :], size)
        if len(data) != size or zlib.crc32(data) != crc:
            import zipfile

            raise zipfile.BadZipFile(f"Bad CRC-32 for file {name!r}") from None
        return data

    def close(self):
        opened, self.fp = self.fp, None
        if self._own and opened is not None:
            opened.close()


def _opened(file):
    """The archive in a file; one of the system is read by its descriptor, and other threads run meanwhile."""
    if type(file) in (io.FileIO, io.BufferedReader) and stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return _core.Archive.of_descriptor(file.fileno())
    return _core.Archive.open(file)


def _bad(error, name):
    """What NumPy's users catch for this error."""
    import zipfile
    import zlib

    if isinstance(error, UnsupportedError):
        return NotImplementedError(str(error))
    if isinstance(error, ChecksumError):
        return zipfile.BadZipFile(f"Bad CRC-32 for file {name!r}")
    if name is not None and "deflate" in str(error):
        return zlib.error(str(error))
    if name is None and "no zip archive" in str(error) or "no end record" in str(error):
        return zipfile.BadZipFile("File is not a zip file")
    return zipfile.BadZipFile(str(error))
