"""What handles of arrays in blocks stand on: an index becomes a selection for each axis."""

import numpy as np

from ndbytes._index import _axes, _item, _positions, _refuse, _spelled_out, is_field
from ndbytes._memory import _empty, _integers

# Bytes that are read together, where items are named one by one: as many as an archive's blocks have.
_TOGETHER = 1 << 20


class Coded:
    """A file or buffer of blocks. Those that an index touches are read and decoded, each once."""

    state = "present"

    def __init__(self, core):
        self.core = core
        dtype, shape = core.dtype, core.shape
        # An array of this dtype and shape in the memory of one item: what NumPy's indices say of it holds for ours.
        # NumPy's `empty` and `zeros` would change some dtypes: `ndarray` keeps them.
        self._like = np.broadcast_to(np.ndarray((), dtype), shape) if dtype.itemsize else np.ndarray(shape, dtype)

    dtype = property(lambda self: self.core.dtype)
    shape = property(lambda self: self.core.shape)
    name = property(lambda self: self.core.name)
    attrs = property(lambda self: self.core.attrs)
    codec = property(lambda self: self.core.codec)
    filter = property(lambda self: self.core.filter)
    block = property(lambda self: self.core.block)

    @property
    def _grid(self):
        """The lengths along each axis of what is best read together."""
        return self.block

    def read(self, index, out=None):
        """What the array has at an index; with ``out``, which has its shape and dtype, in there."""
        like = self._like
        found = self._plain(index, like.shape) if like.itemsize else None
        if found is not None:
            if out is None:
                return found
            out[...] = found
            return out
        if is_field(like, index):
            like[index]  # NumPy's error, before all is read.
            found = self.read(...)[index]
            return found.copy() if isinstance(index, str) else found
        given = index if isinstance(index, tuple) else (index,)
        items = [_item(item) for item in given]
        if any(isinstance(item, np.ndarray) for item in items):
            _refuse(like.shape, given)
            found = self._advanced(items, out)
        else:
            found = self._basic(items)
        if out is None or found is out:
            return found
        out[...] = found
        return out

    def _plain(self, index, shape):
        """The short way, for ints and slices alone that take something; None for every other index."""
        given = index if type(index) is tuple else (index,)
        if len(given) > len(shape):
            return None
        picks, after = [], []
        for item, length in zip(given, shape, strict=False):
            if type(item) is int and -length <= item < length:
                picks.append((item + length if item < 0 else item, 1, 1))
                after.append(0)
            elif type(item) is slice:
                picks.append(_pick(item, length))
                after.append(slice(None))
            else:
                return None
        picks += [(0, length, 1) for length in shape[len(given) :]]
        return self.core.read(picks)[tuple(after)] if all([count for _, count, _ in picks]) else None

    def _basic(self, items):
        like = self._like
        dotted = any(item is Ellipsis for item in items)
        wanted = like[tuple(items) if dotted else (*items, Ellipsis)]
        scalar = wanted.ndim == 0 and not dotted
        if wanted.size == 0 or like.itemsize == 0:
            return _empty(wanted.shape, like.dtype, scalar)
        picks, after = [], []
        for item in _spelled_out(items, like.ndim):
            if item is Ellipsis:
                continue
            after.append(item if item is None else slice(None) if isinstance(item, slice) else 0)
            if item is not None:
                picks.append(_pick(item, like.shape[len(picks)]))
        # Without an Ellipsis an item of no axes is a scalar.
        return self.core.read(picks)[tuple(after) if scalar else (*after, Ellipsis)]

    def _advanced(self, items, out):
        like = self._like
        if like.size == 0 or like.itemsize == 0:
            # There is nothing to read, and NumPy knows the shape.
            return _empty(np.broadcast_to(np.False_, like.shape)[tuple(items)].shape, like.dtype, False)
        items = _spelled_out(items, like.ndim)
        # For each axis what is taken of it; for the axes that arrays index, their positions.
        picks, after, lists, groups, bare = [], [], {}, [], []
        for at, item in enumerate(items):
            if item is None or isinstance(item, slice):
                groups.append((at, False))
                after.append(item if item is None else slice(None))
                if item is not None:
                    picks.append(_pick(item, like.shape[len(picks)]))
            elif item is not Ellipsis:
                groups.append((at, True))
                for positions in _positions(item):
                    if _axes(item):
                        length = like.shape[len(picks)]
                        lists[len(picks)] = np.where(positions < 0, positions + length, positions)
                        picks.append(None)
                    else:
                        bare.append(positions)
        spread = np.broadcast_shapes(*(positions.shape for positions in [*lists.values(), *bare]))
        wide = [axis for axis, positions in lists.items() if positions.size != 1]
        if len(wide) <= 1 and lists and not bare:
            axis = wide[0] if wide else next(iter(lists))
            if out is not None and len(lists) == 1 and None not in after and len(spread) == 1:
                picks[axis] = _integers(lists[axis])
                return self.core.read(picks, out)
            found = self._outer(picks, lists, axis)
        else:
            found = self._scattered(picks, lists, int(np.prod(spread, dtype=object)))
        # The arrays' axes, which are one so far, stand together where they stood, or at the front where something parts them.
        found = found.reshape(spread + found.shape[1:])[(slice(None),) * len(spread) + tuple(after)]
        place = _place(groups)
        return np.moveaxis(found, range(len(spread)), range(place, place + len(spread)))

    def _outer(self, picks, lists, wide):
        """Where one array has several positions: they are taken of its axis, which comes first in the result."""
        for axis, positions in lists.items():
            picks[axis] = _integers(positions.reshape(-1)) if axis == wide else _pick(int(positions.reshape(-1)[0]), 0)
        found = self.core.read(picks)
        found = np.moveaxis(found, wide, 0)
        others = [axis + (axis < wide) for axis in lists if axis != wide]
        return found[tuple(0 if axis in others else slice(None) for axis in range(found.ndim))]

    def _scattered(self, picks, lists, count):
        """Where several arrays name items one by one: those of the same blocks are read together."""
        axes, block = list(lists), self._grid
        kept = [axis for axis in range(len(picks)) if axis not in lists]
        rest = tuple(picks[axis][1] for axis in kept)
        result = np.ndarray((count, *rest), self.dtype)
        if result.size == 0:
            return result
        if not axes:
            result[...] = self.core.read(picks)
            return result
        positions = [positions.reshape(-1) for positions in np.broadcast_arrays(*lists.values())]
        if positions[0].size != count:  # A bare True beside them.
            positions = [np.broadcast_to(each, count) for each in positions]
        number = np.zeros(count, np.int64)
        for axis, each in zip(axes, positions, strict=True):
            number = number * -(-self.shape[axis] // block[axis]) + each // block[axis]
        order = np.argsort(number, kind="stable")
        for some in np.split(order, np.flatnonzero(np.diff(number[order])) + 1):
            inside = []
            for axis, each in zip(axes, positions, strict=True):
                taken, at = np.unique(each[some], return_inverse=True)
                picks[axis] = _integers(taken)
                inside.append(at)
            result[some] = self.core.read(picks).transpose(axes + kept)[tuple(inside)]
        return result


class Member(Coded):
    """An array in an archive. Of one that has an index of blocks, those are read and decoded that an index touches; they are of bytes, in
    the order in which the items lie."""

    @property
    def _grid(self):
        left, lengths = max(1, _TOGETHER // self.dtype.itemsize), [1] * len(self.shape)
        fastest = range(len(lengths)) if self.core.fortran else reversed(range(len(lengths)))
        for axis in fastest:
            lengths[axis] = max(1, min(self.shape[axis], left))
            left //= lengths[axis]
        return tuple(lengths)


def _pick(item, length):
    """What a slice, or an int that is none too large, takes of an axis: first position, how many, step."""
    if not isinstance(item, slice):
        return (item + length if item < 0 else item, 1, 1)
    start, stop, step = item.indices(length)
    count = len(range(start, stop, step))
    return (start, count, step) if count > 1 else (start if count else 0, count, 1)


def _place(groups):
    """How many axes of the result stand before those of the arrays."""
    arrays = [at for at, is_array in groups if is_array]
    if arrays[-1] - arrays[0] + 1 != len(arrays):
        return 0
    return sum(at < arrays[0] for at, is_array in groups if not is_array)
