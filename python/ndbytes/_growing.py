"""What handles stand on of files to which rows are appended."""

import operator

from ndbytes import _core
from ndbytes._errors import ArgumentError, ArgumentTypeError
from ndbytes._parts import Coded


def created(path, *, dtype, shape, order, offset, gap, checksum, codec, level, block, name, attrs):
    """A new file without rows."""
    if order not in (None, "C", "c"):
        raise ArgumentError(f"order {order!r}: rows are appended in C order")
    if offset or gap:
        raise ArgumentError("offset and gap are for files without a header")
    if checksum is False:
        raise ArgumentError("a .ndb always has checksums")
    try:
        row = [operator.index(length) for length in shape[1:]]
    except TypeError:
        raise ArgumentTypeError(f"shape must be None and ints, found {shape}") from None
    if not all(0 <= length < 2**63 for length in row):
        raise ArgumentError(f"an axis behind the first has a length from 0 to 2**63 - 1, found the shape {shape}")
    codec = "auto" if codec is None else codec
    return Growing(_core.Growing.create(path, dtype, row, codec, level, block, name, attrs))


def is_open(shape):
    """Whether a shape leaves the length of the first axis open, and what lengths it has."""
    lengths = tuple(shape) if hasattr(shape, "__iter__") and not isinstance(shape, str) else (shape,)
    return bool(lengths) and lengths[0] is None, lengths


class Growing:
    """A file of blocks, behind which others are put. What is read of it is flushed first."""

    state = "present"

    def __init__(self, core):
        self.core = core
        self._seen = None

    dtype = property(lambda self: self.core.dtype)
    shape = property(lambda self: tuple(self.core.shape()))
    name = property(lambda self: self.core.name)
    attrs = property(lambda self: self.core.attrs)
    codec = property(lambda self: self._flushed().codec)
    filter = property(lambda self: self._flushed().filter)
    block = property(lambda self: self._flushed().block)

    def read(self, index, out=None):
        """What the array has at an index; with ``out``, which has its shape and dtype, in there."""
        return self._flushed().read(index, out)

    def write(self, index, value):
        """Is refused."""
        raise ArgumentError("the data are in blocks: rows are appended, and not changed; load and save it to change it")

    def _flushed(self):
        seen = self._seen
        if seen is None or seen.shape != self.shape:
            self._seen = seen = Coded(self.core.parts())
        return seen
