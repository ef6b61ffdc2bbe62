"""`ndbytes.diff`: whether two arrays hold the same values, and where they do not."""

import os
import types

import numpy as np

from ndbytes import _core
from ndbytes._errors import ArgumentError
from ndbytes._handle import Handle


class Difference(types.SimpleNamespace):
    """What ``diff`` found; true if something differs.

    Attributes
    ----------
    equal : bool
        Whether no item differs by more than the tolerance.
    identical : bool
        Whether dtype, shape and all bits that hold a value are the same: 0 is not -0 then, and a NaN only itself.
    items, differing : int
        Items of each array, and how many of them differ by more than the tolerance.
    first : tuple of int or None
        The index of the first of these in C order, with its values ``left`` and ``right``.
    max_abs, max_rel : float
        The largest ``abs(a - b)``, and the largest ``abs(a - b) / abs(b)``, of all items, 0 if there is none: infinities
        and NaN count only where there is a distance. Times have no ``max_rel``; their ``max_abs`` counts the coarsest
        unit that both can be counted in.
    max_abs_at, max_rel_at : tuple of int or None
        Where these are.
    """

    @property
    def equal(self):
        return self.differing == 0

    def __bool__(self):
        return self.differing > 0


def diff(a, b, rtol=0.0, atol=0.0) -> Difference:
    """Compares two arrays item by item: what ``ndbytes diff`` does.

    Numbers of any dtypes are compared exactly, NaN equals NaN, -0 equals 0; times of two units as times, NaT equals
    NaT; text and bytes without their padding; records field by field, whatever lies between the fields.

    Parameters
    ----------
    a, b : array, path or Handle
        A path is loaded, and a handle read.
    rtol, atol : float, optional
        Numbers are close where ``abs(a - b) <= atol + rtol * abs(b)``. Both 0 by default: equal.

    Returns
    -------
    Difference
        True if something differs.

    Raises
    ------
    MismatchError
        For two shapes, and for dtypes whose values are never equal.
    ArgumentError
        For a tolerance that is no number from 0, and what is no array.
    FormatError, TruncatedError, ChecksumError, UnsupportedError, LimitError, OSError
        As ``load``.

    Examples
    --------
    >>> import numpy as np, ndbytes as ndb
    >>> found = ndb.diff(np.array([1, 2, 3]), np.array([1.0, 2.5, 3.0]))
    >>> found.differing, found.first, found.left, found.right, found.max_abs, found.max_rel
    (1, (1,), np.int64(2), np.float64(2.5), 0.5, 0.2)
    """
    rtol, atol = _tolerance("rtol", rtol), _tolerance("atol", atol)
    a, b = _loaded(a), _loaded(b)
    found = _core.compare(a, b, rtol, atol)
    left = right = None
    if found["first"] is not None:
        left, right = (_item(np.asarray(array), found["first"]) for array in (a, b))
    return Difference(left=left, right=right, **found)


def _item(array, index):
    try:
        return array[index]
    except (SystemError, ValueError):  # Code points that are none: NumPy has no scalar for them.
        return array[(*index, ...)].copy()


def _tolerance(name, value):
    if isinstance(value, (int, float, np.number)) and np.isfinite(value) and value >= 0:
        return float(value)
    raise ArgumentError(f"{name} must be a number from 0, found {value!r}")


def _loaded(given):
    if isinstance(given, Handle):
        return given[...]
    return _core.load(given) if isinstance(given, (str, os.PathLike)) else given
