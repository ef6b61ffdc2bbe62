"""The functions of ``numpy.lib.format``, with their names and signatures."""

import io
import os
import pickle

import numpy as np

from ndbytes import _core
from ndbytes.numpy import _header
from ndbytes.numpy._buffer import bare
from ndbytes.numpy._file import Held, fill, read_items
from ndbytes.numpy._memmap import _extent, _mode, memmap
from ndbytes.numpy._header import (
    ARRAY_ALIGN,
    EXPECTED_KEYS,
    GROWTH_AXIS_MAX_DIGITS,
    MAGIC_LEN,
    MAGIC_PREFIX,
    MAX_HEADER_SIZE as _MAX_HEADER_SIZE,
    descr_to_dtype,
    magic,
)

drop_metadata = np.lib.format.drop_metadata
BUFFER_SIZE = 2**18

__all__ = [
    "ARRAY_ALIGN",
    "BUFFER_SIZE",
    "EXPECTED_KEYS",
    "GROWTH_AXIS_MAX_DIGITS",
    "MAGIC_LEN",
    "MAGIC_PREFIX",
    "descr_to_dtype",
    "drop_metadata",
    "dtype_to_descr",
    "header_data_from_array_1_0",
    "isfileobj",
    "magic",
    "open_memmap",
    "read_array",
    "read_array_header_1_0",
    "read_array_header_2_0",
    "read_magic",
    "write_array",
    "write_array_header_1_0",
    "write_array_header_2_0",
]


def read_magic(fp):
    """The version, (major, minor), that the first eight bytes of a file say."""
    found = _header.read_bytes(fp, MAGIC_LEN, "magic string")
    if found[:-2] != MAGIC_PREFIX:
        raise ValueError(f"the magic string is not correct; expected {MAGIC_PREFIX!r}, got {found[:-2]!r}")
    return found[-2], found[-1]


def dtype_to_descr(dtype):
    """What a header says for a dtype: something that `descr_to_dtype` reads."""
    return _header.dtype_to_descr(dtype, stacklevel=3)


def header_data_from_array_1_0(array):
    """What the header of this array says, as a dict."""
    flags = array.flags
    fortran = flags.f_contiguous and not flags.c_contiguous
    return {"shape": array.shape, "fortran_order": fortran, "descr": dtype_to_descr(array.dtype)}


def write_array_header_1_0(fp, d):
    """Writes a header of version 1.0 that says `d`."""
    fp.write(_header.encode(d, (1, 0)))


def write_array_header_2_0(fp, d):
    """Writes a header of version 2.0 that says `d`."""
    fp.write(_header.encode(d, (2, 0)))


def read_array_header_1_0(fp, max_header_size=_MAX_HEADER_SIZE):
    """Shape, whether the order is Fortran's, and dtype; `fp` stands behind the magic of version 1.0."""
    return _header.read(fp, (1, 0), max_header_size, stacklevel=3)


def read_array_header_2_0(fp, max_header_size=_MAX_HEADER_SIZE):
    """Shape, whether the order is Fortran's, and dtype; `fp` stands behind the magic of version 2.0."""
    return _header.read(fp, (2, 0), max_header_size, stacklevel=3)


def isfileobj(f):
    """Whether it is a file of the system, as `open` gives it in binary mode."""
    if not isinstance(f, (io.FileIO, io.BufferedReader, io.BufferedWriter)):
        return False
    try:
        f.fileno()
    except OSError:
        return False
    return True


def write_array(fp, array, version=None, allow_pickle=True, pickle_kwargs=None):
    """Writes an array as ``.npy`` to a file object.

    Raises
    ------
    ValueError
        For objects without `allow_pickle`, and a version that cannot hold the header.
    """
    head, array, order = prepare(array, version, allow_pickle, isfileobj(fp))
    if order is None:
        fp.write(head)
        pickle.dump(array, fp, protocol=4, **(pickle_kwargs or {}))
    else:
        _core.numpy.write(fp, head, array, order)


def prepare(array, version=None, allow_pickle=True, tofile=False):
    """The header of an array, the items behind it, and their order; an order of None means that they are pickled."""
    _header.check_version(version)
    head = _header.encode(header_data_from_array_1_0(array), version)
    if array.dtype.hasobject or not type(array.dtype)._legacy:
        if not allow_pickle:
            what = "Object arrays" if array.dtype.hasobject else "User-defined dtypes"
            raise ValueError(f"{what} cannot be saved when allow_pickle=False")
        return head, array, None
    if tofile and type(array).tofile is not np.ndarray.tofile:
        # The class has its own idea of what goes to a file. A masked array's is to refuse.
        array.tofile(io.BytesIO())
    return head, bare(array), "A"


def read_array(fp, allow_pickle=False, pickle_kwargs=None, *, max_header_size=_MAX_HEADER_SIZE):
    """Reads an array from a file object that stands at the magic of a ``.npy``, and not a byte behind it.

    Raises
    ------
    ValueError
        For bytes that are not, or not all, there, and objects without `allow_pickle`.
    """
    if allow_pickle:
        max_header_size = 2**64
    version = read_magic(fp)
    _header.check_version(version)
    shape, fortran, dtype = _header.read(fp, version, max_header_size, stacklevel=3)
    if dtype.hasobject:
        if not allow_pickle:
            raise ValueError("Object arrays cannot be loaded when allow_pickle=False")
        return _unpickled(fp, pickle_kwargs or {})
    count = int(np.multiply.reduce(shape, dtype=np.int64)) if shape else 1
    array = _items(fp, dtype, count)
    if array.size != count:
        raise ValueError(
            f"Failed to read all data for array. Expected {shape} = {count} elements, could only read {array.size} "
            "elements. (file seems not fully written?)"
        )
    return _ordered(array, shape, fortran)


def _items(fp, dtype, count):
    """The items behind a header."""
    if isfileobj(fp):
        if dtype.itemsize == 0:
            return np.ndarray((count,), dtype)
        return read_items(fp, dtype, count)
    if isinstance(fp, Held) and (array := fp.items(dtype, count)) is not None:
        return array
    array = np.ndarray(count, dtype)
    found, wanted = fill(fp, array), array.nbytes
    if found < wanted:
        # NumPy reads in parts of this size, and speaks of the part.
        step = BUFFER_SIZE // min(BUFFER_SIZE, dtype.itemsize) * dtype.itemsize
        before = found - found % step
        expected = min(step, wanted - before)
        raise ValueError(f"EOF: reading array data, expected {expected} bytes got {found - before}")
    return array


def _ordered(array, shape, fortran):
    return array.reshape(shape[::-1]).transpose() if fortran else array.reshape(shape)


def _unpickled(fp, options):
    try:
        return pickle.load(fp, **options)
    except UnicodeError as error:
        raise UnicodeError(
            f"Unpickling a python object failed: {error!r}\nYou may need to pass the encoding= option to numpy.load"
        ) from error


def open_memmap(
    filename,
    mode="r+",
    dtype=None,
    shape=None,
    fortran_order=False,
    version=None,
    *,
    max_header_size=_MAX_HEADER_SIZE,
):
    """Maps a ``.npy`` file, or with mode ``w+`` a new one: ``np.lib.format.open_memmap``.

    Unlike NumPy: a new file takes the old one's place, which others may have mapped; a file that ends before its data
    does is refused in every mode; lengths of NumPy's types, and lists of lengths, are written so that they can be read.

    Returns
    -------
    memmap

    Raises
    ------
    ValueError, OSError
        As NumPy.
    """
    if isfileobj(filename):
        raise ValueError("Filename must be a string or a path-like object.  Memmap cannot use existing file handles.")
    if "w" in mode:
        _header.check_version(version)
        dtype = _mappable(np.dtype(dtype))
        if isinstance(shape, (tuple, list)):
            shape = tuple(map(int, shape))
        head = _header.encode({"descr": dtype_to_descr(dtype), "fortran_order": fortran_order, "shape": shape}, version)
        with open(os.devnull, mode + "b"):
            pass  # For what is said of a mode that `open` does not know.
        _mode(mode)
        _, size = _extent(dtype, shape, 0, 0)
        _core.numpy.create(os.fspath(filename), head, size)
        mode, offset = "r+", len(head)
    else:
        with open(os.fspath(filename), "rb") as fp:
            version = read_magic(fp)
            _header.check_version(version)
            shape, fortran_order, dtype = _header.read(fp, version, max_header_size, stacklevel=3)
            offset = fp.tell()
            _check_length(_mappable(dtype), shape, os.fstat(fp.fileno()).st_size - offset, mode)
    order = "F" if fortran_order else "C"
    return memmap(filename, dtype=dtype, shape=shape, order=order, mode=mode, offset=offset)


def _mappable(dtype):
    if dtype.hasobject:
        raise ValueError("Array can't be memory-mapped: Python objects in dtype.")
    return dtype


def _check_length(dtype, shape, found, mode):
    """That mapping for writing makes no data up."""
    wanted = dtype.itemsize
    for length in shape:
        wanted *= length
    if mode in ("r+", "readwrite") and found < wanted:
        raise ValueError(
            f"the file has {max(found, 0)} bytes of data, its header promises {wanted}: it seems not fully written, "
            "and mapping it for writing would fill it up with zeros; map it with mode 'r' or load it to see this too"
        )
