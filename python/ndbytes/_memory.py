"""What handles stand on: a mapped file, or an array in memory."""

import itertools
import sys

import numpy as np

from ndbytes._errors import ArgumentError, UnsupportedError
from ndbytes._index import part_of

# Bytes that are written at a time, so that Ctrl-C is heard in between.
_PIECE = 4 << 20


class Whole:
    """Data in one piece."""

    codec = filter = "none"
    block = None


class Mapped(Whole):
    """A file in memory. What is read is copied out of it, after what is touched was brought in."""

    def __init__(self, core):
        self.core = core

    dtype = property(lambda self: self.core.dtype)
    shape = property(lambda self: self.core.shape)
    name = property(lambda self: self.core.name)
    attrs = property(lambda self: self.core.attrs)
    state = property(lambda self: self.core.state())

    def read(self, index, out=None):
        """What the array has at an index; with ``out``, which has its shape and dtype, in there."""
        # A resize meanwhile, by another thread, would move what the index means.
        core = self.core.now()
        view = core.view(False)
        part = part_of(view, index)
        if part.size == 0 or view.itemsize == 0:
            return _empty(part.shape, part.view.dtype, part.scalar) if out is None else out
        # The slowest axis first, as the items lie in the file.
        order = sorted(range(part.view.ndim), key=lambda axis: -abs(part.view.strides[axis]))
        lying = part.view.transpose(order)
        front = 0 if part.offsets is None else part.offsets.ndim
        # Where in the result each axis of what is copied stands.
        axes = [*range(part.place, part.place + front)]
        axes += [axis if axis < part.place else axis + front for axis in order]
        memory = _copy(core, view, lying, part.offsets, None if out is None else out.transpose(axes))
        if out is not None:
            return out
        shape = lying.shape if part.offsets is None else part.offsets.shape + lying.shape
        copy = np.ndarray(shape, lying.dtype, memory).transpose(np.argsort(axes))
        return copy[()] if part.scalar else copy

    def write(self, index, value):
        """Puts ``value`` at an index, as NumPy does."""
        core = self.core.now()
        seen = core.view(False)
        # What is wrong with the index, the value or the file is said before the file is marked as open.
        part = part_of(seen, index)
        value = _broadcast(value, part.shape)
        if part.offsets is not None and part.size:
            core.probe_each(_integers(part.offsets), part.view.itemsize, _place(seen, part.view))
        marked = []
        try:
            _assign(core, marked, seen, index, part, value)
        finally:
            # Once more: another thread's flush may have sealed what was half written.
            if marked:
                core.view(True)
        if not self.core.shares(core):
            raise ArgumentError(
                "the file got another length, or was closed, while it was written to: what was written may not be in it"
            )


class Held(Whole):
    """An array in memory, which is only read."""

    def __init__(self, array, name, attrs, state):
        self.array, self.name, self.attrs, self.state = array, name, attrs, state

    dtype = property(lambda self: self.array.dtype)
    shape = property(lambda self: self.array.shape)

    def read(self, index, out=None):
        found = self.array[index]
        if out is not None:
            out[...] = found
            return out
        if not isinstance(found, (np.ndarray, np.void)):
            return found
        dtype = self.array.dtype
        if dtype.itemsize == 0 and dtype.names is None:
            return _empty(found.shape, dtype, isinstance(found, np.void))
        return found.copy()


def _empty(shape, dtype, scalar):
    """An array without a byte. NumPy's `empty`, copies and indices make an S1 of an S0, with whatever lies in memory."""
    array = np.ndarray(shape, dtype)
    return array[()] if scalar else array


def _copy(core, view, lying, offsets, out):
    place = _place(view, lying)
    if offsets is None:
        return core.read(lying.itemsize, place, out)
    return core.read_each(_integers(offsets), lying.itemsize, place, out)


def _assign(core, marked, seen, index, part, value):
    """Writes, and puts the view that it writes to into `marked` before: the file's checksums are marked as open then."""
    if part.offsets is not None:
        marked.append(core.view(True))
        marked[0][index] = value
        return
    # A list may be one item: it goes in as a whole.
    pieces = _pieces(part.view) if isinstance(value, np.ndarray) or np.isscalar(value) else [...]
    target = None
    for piece in pieces:
        if part.size:
            core.probe(part.view.itemsize, _place(seen, part.view[piece]))
        if target is None:
            marked.append(core.view(True))
            target = part_of(marked[0], index).view
        target[piece] = value[piece] if isinstance(value, np.ndarray) else value


def _place(view, part):
    """Where the items of a part of ``view`` lie in the file's data: offset, shape, strides."""
    start, at = (array.__array_interface__["data"][0] for array in (view, part))
    return at - start, part.shape, part.strides


def _integers(offsets):
    return np.ascontiguousarray(offsets, "<u8")


def _broadcast(value, shape):
    """An array that is assigned, in the shape it goes to; anything else as it is."""
    masked = sys.modules.get("numpy.ma")
    if masked is not None and isinstance(value, masked.MaskedArray):
        raise UnsupportedError("a masked array would lose its mask; write value.filled(…)")
    if not isinstance(value, np.ndarray):
        return value
    while value.ndim > len(shape) and value.shape[0] == 1:
        value = value[0]
    try:
        return np.broadcast_to(value, shape)
    except ValueError:
        raise ArgumentError(f"an array of shape {value.shape} does not go into the shape {shape}") from None


def _pieces(array):
    """Indices of pieces of an array that follow each other."""
    size, axis = array.itemsize, array.ndim
    while axis and size * array.shape[axis - 1] <= _PIECE:
        axis -= 1
        size *= array.shape[axis]
    if axis == 0:
        return [...]
    rows = max(1, _PIECE // max(1, size))
    length = array.shape[axis - 1]
    slow = itertools.product(*map(range, array.shape[: axis - 1]))
    return ((*at, slice(row, row + rows), Ellipsis) for at in slow for row in range(0, length, rows))
