"""Files of several kinds that handles are opened on, and indices of every kind."""

import gzip

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import ndbytes as ndb
from cases import check

# Files of several kinds, each a function from a path and an array to the arguments that open it.


def npy(path, array):
    ndb.save(path, array, format="npy")
    return {}


def checked(path, array):
    ndb.save(path, array, format="npy", checksum=True)
    return {}


def frame(path, array):
    ndb.save(path, array, format="ndb")
    return {}


def raw(path, array):
    path.write_bytes(bytes(11) + array.tobytes("A"))
    order = "F" if array.flags.fnc else "C"
    return {"dtype": array.dtype, "shape": array.shape, "order": order, "offset": 11}


def gaps(path, array):
    step = array.dtype.itemsize + 3
    data = np.full((array.size, step), 7, "u1")
    data[:, : array.dtype.itemsize] = np.frombuffer(array.tobytes(), "u1").reshape(array.size, -1)
    path.write_bytes(data.tobytes())
    return {"dtype": array.dtype, "shape": array.shape, "gap": 3}


def compressed(path, array):
    path.write_bytes(gzip.compress(ndb.dumps(array)))
    return {}


KINDS = {kind.__name__: kind for kind in [npy, checked, frame, raw, gaps, compressed]}


def same(found, wanted):
    """An index of a handle gave what the same index of an array gives, in memory of its own."""
    assert type(found) is type(wanted), (found, wanted)
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    check(np.asarray(found).tobytes(), np.asarray(wanted).tobytes(), wanted.dtype)


def mutable(folder, kind, array, mode="r+"):
    path = folder / "a.npy"
    options = KINDS[kind](path, array)
    return path, options, ndb.open(path, mode, **options)


@st.composite
def indices(draw, shape):
    """An index of an array of this shape: of any kind, and sometimes wrong."""
    ways = [hnp.basic_indices(shape, allow_newaxis=True), entries(shape)]
    if shape and 0 not in shape:
        ways.append(hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(max_dims=2, max_side=4)))
    ways.append(hnp.arrays(bool, shape))
    return draw(st.one_of(ways))


@st.composite
def entries(draw, shape):
    """Slices, ints, arrays, masks, None and an Ellipsis in any order."""
    found, axes, arrays = [], list(shape), draw(hnp.array_shapes(min_dims=0, max_dims=2, max_side=3))
    dotted = False
    while axes and len(found) < 6:
        length = axes[0]
        kind = draw(st.sampled_from(["slice", "slice", "int", "array", "array", "mask", "list", "none", "dots", "bool", "end"]))
        # Sometimes one too many.
        position = st.integers(-length - draw(st.integers(0, 8).map(lambda n: n == 0)), max(0, length - 1))
        if kind == "end":
            break
        if kind == "none":
            found.append(None)
            continue
        if kind == "bool":
            found.append(draw(st.booleans()))
            continue
        if kind == "dots":
            if not dotted:
                found.append(Ellipsis)
                dotted = True
                axes.pop(0)
            continue
        if kind == "mask":
            some = draw(st.integers(1, len(axes)))
            mask = draw(hnp.arrays(bool, tuple(axes[:some])))
            found.append(mask)
            del axes[:some]
            continue
        axes.pop(0)
        if kind == "slice":
            found.append(draw(st.slices(max(1, length))))
        elif kind == "int":
            found.append(draw(position.map(draw(st.sampled_from([int, np.int8, np.asarray])))))
        elif kind == "list":
            found.append(draw(st.lists(position, max_size=3)))
        else:
            dtype = draw(st.sampled_from(["i1", "<i8", ">i4"]))
            found.append(draw(hnp.arrays(dtype, arrays, elements=position)))
    return tuple(found) if draw(st.booleans()) or len(found) != 1 else found[0]


def reads_alike(handle, array, index):
    """What a handle reads at an index, which is what the array has there; None where both raise one error."""
    try:
        wanted = array[index]
    except (IndexError, ValueError) as error:
        with pytest.raises(type(error)) as raised:
            handle[index]
        assert str(raised.value) == str(error)
        return None
    found = handle[index]
    same(found, wanted)
    return found
