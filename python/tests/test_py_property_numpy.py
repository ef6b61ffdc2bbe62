"""`ndbytes.numpy` beside NumPy on random arrays and arguments: the same bytes, arrays, flags, warnings and errors."""

import io
import warnings

import hypothesis
import ml_dtypes
import numpy as np
import pytest
from hypothesis import strategies as st

import ndbytes.numpy as npio
from conftest import examples
from npyfiles import numpy_save
from strategies import arrays, corrupted, dtypes, numbers, texts, times
from streams import assert_equal, values

class theirs:
    """NumPy's functions under the names that ours have."""

    save, load, savez, savez_compressed, memmap = np.save, np.load, np.savez, np.savez_compressed, np.memmap
    fromfile, frombuffer, format, open_memmap = np.fromfile, np.frombuffer, np.lib.format, np.lib.format.open_memmap
    tobytes, tofile = np.ndarray.tobytes, np.ndarray.tofile


pytestmark = pytest.mark.usefixtures("arrays_described")


def outcome(call, *args):
    """What a call gives or raises, and what it warns of."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            result = call(*args)
        except Exception as error:
            result = error
    return result, [(warning.category, str(warning.message)) for warning in warned]


def agree(call, *args, check=None):
    """Makes the call of NumPy and of ours; gives both results, or None where both raise the same."""
    __tracebackhide__ = True
    wanted, warned = outcome(call, theirs, *args)
    if isinstance(wanted, MemoryError):
        return None  # NumPy asks for memory for what it has not seen yet.
    found, told = outcome(call, npio, *args)
    if isinstance(wanted, Exception) or isinstance(found, Exception):
        if not isinstance(wanted, Exception) or not isinstance(found, type(wanted)):
            cause = found if isinstance(found, Exception) else wanted
            raise AssertionError(f"NumPy: {wanted!r}; ours: {found!r}") from cause
        assert told == warned or not isinstance(wanted, ValueError)
        return None
    assert told == warned
    if check is not None:
        check(found, wanted)
    else:
        same(found, wanted)
    return wanted, found


def same(found, wanted):
    __tracebackhide__ = True
    if isinstance(wanted, tuple):
        assert len(found) == len(wanted)
        for pair in zip(found, wanted):
            same(*pair)
    elif isinstance(wanted, np.ndarray):
        assert type(found).__name__ == type(wanted).__name__
        assert_equal(found, wanted)
        assert flags(found) == flags(wanted)
    else:
        assert found == wanted


def flags(array):
    return {name: array.flags[name] for name in ("C_CONTIGUOUS", "F_CONTIGUOUS", "WRITEABLE", "ALIGNED")}


def masked(dtype, size):
    """Compares bytes whose last `size` are items: what stands in front is equal, and so are values; gaps need not be."""
    def check(found, wanted):
        __tracebackhide__ = True
        start = len(wanted) - size
        assert len(found) == len(wanted) and found[:start] == wanted[:start]
        if found != wanted:
            assert_equal(np.frombuffer(found[start:], dtype), np.frombuffer(wanted[start:], dtype))

    return check


def written(module, function, array, *args):
    file = io.BytesIO()
    function(module)(file, array, *args)
    return file.getvalue()


versions = st.sampled_from([None, (1, 0), (2, 0), (3, 0), (4, 0)])


@examples
@hypothesis.given(arrays(), st.sampled_from([*"CFAKcfakX", None, 0, b"F"]), versions)
def test_bytes(array, order, version):
    check = masked(array.dtype, array.nbytes)
    agree(lambda numpy: numpy.tobytes(array, order), check=check)
    agree(lambda numpy: numpy.format.dtype_to_descr(array.dtype))
    agree(lambda numpy: numpy.format.header_data_from_array_1_0(array))
    agree(lambda numpy: written(numpy, lambda numpy: numpy.save, array), check=check)
    both = agree(lambda numpy: written(numpy, lambda numpy: numpy.format.write_array, array, version), check=check)
    if both is None:
        return
    for data in both:
        agree(lambda numpy: read(numpy, data + b"more", lambda file: numpy.load(file)))
        agree(lambda numpy: read(numpy, data + b"more", lambda file: numpy.format.read_array(file)))
        agree(lambda numpy: read(numpy, data[: len(data) // 2], lambda file: numpy.load(file)))
        agree(lambda numpy: read(numpy, data, lambda file: header(numpy.format, file)))


def read(numpy, data, function):
    """The result, and where the file stands then."""
    file = io.BytesIO(data)
    result = function(file)
    return result, file.tell()


def header(module, file):
    major = module.read_magic(file)[0]
    return (module.read_array_header_1_0 if major == 1 else module.read_array_header_2_0)(file)


counts = st.one_of(st.integers(-2, 9), st.sampled_from([1 << 40, (1 << 63) - 1]))
offsets = st.one_of(st.just(0), st.integers(-1, 40))
kinds = st.sampled_from([bytes, bytearray, memoryview, np.array])


@examples
@hypothesis.given(st.binary(max_size=70), dtypes(), counts, offsets, kinds)
def test_buffers_and_files_of_items(folder, data, dtype, count, offset, kind):
    buffer = np.frombuffer(data, "u1") if kind is np.array else kind(data)
    agree(lambda numpy: numpy.frombuffer(buffer, dtype, count, offset))
    path = folder / "items"
    path.write_bytes(data)
    agree(lambda numpy: numpy.fromfile(path, dtype, count, offset=offset))
    for mode in ("r", "c"):
        agree(lambda numpy: numpy.memmap(path, dtype, mode, offset))
        if count >= 0:
            agree(lambda numpy: numpy.memmap(path, dtype, mode, offset, shape=count))
            continue
        # NumPy fills a -1 up from what it has mapped, which is less than is there, all, or nothing; or it crashes.
        with pytest.raises((ValueError, OverflowError)):
            npio.memmap(path, dtype, mode, offset, shape=count)

    def positioned(numpy):
        with open(path, "rb") as file:
            file.read(3)
            return numpy.fromfile(file, dtype, count, offset=offset), file.tell()

    agree(positioned)


@examples
@hypothesis.given(arrays(), st.integers(0, 9), st.sampled_from(["r", "c", "r+"]))
def test_files(folder, array, front, mode):
    check = masked(array.dtype, array.nbytes)
    names = {"NumPy": folder / "numpy.npy", "ours": folder / "ours.npy"}

    def path(numpy):
        return names["NumPy" if numpy is theirs else "ours"]

    def saved(numpy):
        path(numpy).unlink(missing_ok=True)
        numpy.save(path(numpy).with_suffix("") if front % 2 else path(numpy), array)
        return (path(numpy) if not front % 2 else path(numpy).with_suffix(".npy")).read_bytes()

    def items(numpy):
        with open(path(numpy), "wb") as file:
            file.write(b"." * front)
            numpy.tofile(array, file)
            at = file.tell()
        return path(numpy).read_bytes() + bytes([at % 256])

    def mapped(numpy):
        path(numpy).write_bytes(b"." * 20)
        new = numpy.memmap(path(numpy), array.dtype, "w+", front, array.shape, "F" if np.isfortran(array) else "C")
        new[...] = array
        new.flush()
        return path(numpy).read_bytes()[: front + array.nbytes]

    def made(numpy):
        new = numpy.open_memmap(path(numpy), "w+", array.dtype, array.shape, np.isfortran(array))
        new[...] = array
        new.flush()
        return path(numpy).read_bytes()

    agree(items, check=lambda found, wanted: check(found[:-1], wanted[:-1]))
    agree(mapped, check=check)
    agree(made, check=check)
    both = agree(saved, check=check)
    if both is not None:
        for name in names.values():
            agree(lambda numpy: numpy.load(name))
            agree(lambda numpy: numpy.load(name, mmap_mode=mode))


#: Without NUL, which NumPy cuts names at, and we refuse.
keys = texts.filter(lambda text: "\0" not in text)


@examples
@hypothesis.given(st.lists(st.tuples(keys, arrays()), max_size=3), st.booleans())
def test_archives(members, compressed):
    """Stored ones byte for byte: but for gaps, whose bytes NumPy takes from the heap, and sums."""
    positional = [array for _, array in members[:1]]
    named = dict(members[1:])
    exact = not compressed and all(values(array.dtype).all() for _, array in members)

    def made(numpy):
        file = io.BytesIO()
        (numpy.savez_compressed if compressed else numpy.savez)(file, *positional, **named)
        return file.getvalue()

    both = agree(made, check=(lambda found, wanted: same(found, wanted)) if exact else (lambda found, wanted: None))
    for data in both or ():
        def contents(numpy):
            with numpy.load(io.BytesIO(data)) as archive:
                return (*archive.files, *(archive[name] for name in archive.files))

        agree(contents)


separators = st.sampled_from([" ", ",", ", ", ";", "\n", "  ; "])
formats = st.sampled_from(["", "%s", "%r", "%g", "%d", "%.3e"])


@examples
@hypothesis.given(arrays(st.one_of(numbers, times()), large=False), separators, formats)
def test_text(folder, array, sep, form):
    """What NumPy reads from big-endian text is wrong; ours is not, and is tested where text is."""
    path = folder / "text"

    def text(numpy):
        path.write_bytes(b"old")
        numpy.tofile(array, path, sep, form)
        return path.read_bytes()

    both = agree(text)
    dtype = array.dtype.newbyteorder("=")
    if both is not None:
        agree(lambda numpy: numpy.fromfile(path, dtype, sep=sep))


headers = st.builds(numpy_save, arrays(dtypes(ordered=True)), st.sampled_from([None, (3, 0)]))


@pytest.mark.parametrize("dtype", [name for name in dir(ml_dtypes) if name.startswith(("int", "uint", "float", "b"))])
def test_dtypes_of_packages_have_no_text(dtype, tmp_path):
    """Some have the letters of NumPy's own."""
    (tmp_path / "text").write_bytes(b"1 1")
    assert agree(lambda numpy: numpy.fromfile(tmp_path / "text", getattr(ml_dtypes, dtype), sep=" ")) is None


def test_what_is_wrong_first_in_a_descr_is_said():
    for descr in ((0,), ("<i4",), [("a", (0,))], [("a", ("<i4",))], [("a",)], [()], ("<i4", "x")):
        agree(lambda numpy: numpy.format.descr_to_dtype(descr))


@pytest.mark.parametrize("dtype", ["V0", "S0", [("a", "U0")]])
def test_what_ends_numpys_process_is_an_error(dtype, tmp_path):
    """Lengths of -1 in items without size."""
    path = tmp_path / "a.npy"
    np.save(path, np.ndarray((1, 10), dtype))
    with pytest.raises(ValueError, match="negative dimensions are not allowed"):
        npio.memmap(path, dtype, "r", shape=-1)
    path.write_bytes(path.read_bytes().replace(b"(1, 10)", b"(-1,)  "))
    with pytest.raises(ValueError, match="negative dimensions are not allowed"):
        npio.load(path, mmap_mode="r")


@examples
@hypothesis.given(corrupted(headers))
def test_whatever_numpy_reads_or_refuses(folder, data):
    """Of bytes that begin as a `.npy`: others are for pickle and zip."""
    data = data if data.startswith(b"\x93NUMPY") else b"\x93NUMPY" + data
    agree(lambda numpy: numpy.load(io.BytesIO(data)))
    agree(lambda numpy: read(numpy, data, lambda file: header(numpy.format, file)))
    path = folder / "any.npy"
    path.write_bytes(data)
    agree(lambda numpy: numpy.load(path))
    agree(lambda numpy: mapped_or_too_small(numpy, path))


def mapped_or_too_small(numpy, path):
    """Without the files that end NumPy's process."""
    with open(path, "rb") as file:
        shape, _, dtype = header(np.lib.format, file)
    return numpy.load(path, mmap_mode="c") if dtype.itemsize or min(shape, default=0) >= 0 else None
