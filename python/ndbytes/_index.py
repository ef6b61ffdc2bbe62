"""NumPy's indices, taken apart: what they touch of an array, without touching it."""

import operator

import numpy as np


class Part:
    """What an index takes: a strided part of the array, once or moved by each of ``offsets`` bytes.

    ``view`` is the part itself, whose items nobody has looked at. Its axes stand in the result from ``place`` on
    behind those of ``offsets``; without offsets the view is the result.
    """

    __slots__ = ("offsets", "place", "scalar", "view")

    def __init__(self, view, offsets=None, place=0, scalar=False):
        self.view, self.offsets, self.place, self.scalar = view, offsets, place, scalar

    @property
    def shape(self):
        if self.offsets is None:
            return self.view.shape
        rest = self.view.shape
        return rest[: self.place] + self.offsets.shape + rest[self.place :]

    @property
    def size(self):
        return self.view.size * (1 if self.offsets is None else self.offsets.size)


def part_of(array, index):
    """The part of ``array`` that ``array[index]`` takes.

    Raises what NumPy raises for an index that is none.
    """
    if is_field(array, index):
        return Part(array[index])
    given = index if isinstance(index, tuple) else (index,)
    items = [_item(item) for item in given]
    if not any(isinstance(item, np.ndarray) for item in items):
        # An array of no axes, where NumPy would give a scalar: looking at that is reading it.
        dotted = any(item is Ellipsis for item in items)
        view = array[tuple(items) if dotted else (*items, Ellipsis)]
        return Part(view, scalar=view.ndim == 0 and not dotted)
    _refuse(array.shape, given)
    return _advanced(array, items)


def is_field(array, index):
    """Whether an index is the name of a field, or a list of names."""
    if array.dtype.names is None:
        return False
    return isinstance(index, str) or isinstance(index, list) and index and all(isinstance(name, str) for name in index)


def _item(item):
    """An entry of an index: None, Ellipsis, a slice, an int, or an array of ints or bools."""
    if item is None or item is Ellipsis or isinstance(item, slice):
        return item
    if not isinstance(item, (bool, np.bool_, np.ndarray)):
        try:
            return operator.index(item)
        except TypeError:
            pass
    array = np.asarray(item)
    if array.size == 0 and not isinstance(item, np.ndarray) and array.dtype.kind != "b":
        array = array.astype(np.intp)  # As NumPy takes an empty list.
    if array.ndim == 0 and array.dtype.kind in "iu":
        return int(array)
    return array


def _refuse(shape, items):
    """Raises what NumPy raises, for an array that takes no memory."""
    # Of what slices take one item is enough: only the others can be wrong.
    short = tuple(_first(item) for item in items)
    np.broadcast_to(np.False_, shape)[short]


def _first(item):
    if isinstance(item, slice):
        item.indices(1)  # What is wrong with a slice is wrong for any length.
        return slice(0, 1)
    return item


def _advanced(array, items):
    if array.size == 0:
        # There is nothing to read, and NumPy knows the shape.
        return Part(np.ndarray(np.broadcast_to(np.False_, array.shape)[tuple(items)].shape, array.dtype))
    items = _spelled_out(items, array.ndim)
    basic, steps, groups = [], [], []
    axis = kept = 0
    for at, item in enumerate(items):
        if item is Ellipsis:
            continue
        if item is None or isinstance(item, slice):
            basic.append(item)
            axis += _axes(item)
            kept += 1
            continue
        groups.append((at, kept))
        for positions in _positions(item):
            if _axes(item):
                positions = np.where(positions < 0, positions + array.shape[axis], positions)
                basic.append(0)
                positions = positions * array.strides[axis]
                axis += 1
            steps.append(positions)
    # The axes of the arrays stand together where they stood, or at the front where something parts them.
    (first, place), (last, _) = groups[0], groups[-1]
    together = last - first + 1 == len(groups)
    return Part(array[(*basic, Ellipsis)], sum(np.broadcast_arrays(*steps)), place if together else 0)


def _spelled_out(items, ndim):
    """The same with slices for an Ellipsis, and for the axes behind the last entry."""
    if not any(item is Ellipsis for item in items):
        items = [*items, Ellipsis]
    at = next(at for at, item in enumerate(items) if item is Ellipsis)
    missing = ndim - sum(map(_axes, items))
    # One that stands for no axis parts its neighbours all the same.
    return [*items[:at], *([slice(None)] * missing or [Ellipsis]), *items[at + 1 :]]


def _axes(item):
    """How many axes of the array an entry takes."""
    if item is None or item is Ellipsis:
        return 0
    if isinstance(item, np.ndarray) and item.dtype == bool:
        return item.ndim
    return 1


def _positions(item):
    """The arrays of positions that an entry means, one for each axis it takes; one of no axis for a bare bool."""
    if not isinstance(item, np.ndarray):
        return [np.asarray(item, np.intp)]
    if item.dtype != bool:
        return [item.astype(np.intp)]
    if item.ndim == 0:
        return [np.zeros(int(item), np.intp)]
    return np.nonzero(item)
