"""`ndbytes diff`, `info --stats` and `convert --cast`, against NumPy."""

import ml_dtypes
import numpy as np
import pytest

from command import ndb  # noqa: F401

rng = np.random.default_rng(20260824)
NUMBERS = ["?", "i1", "u1", "<i2", ">u2", "<i4", ">u4", ">i8", "<u8", "<f2", ">f4", "<f8", "<c8", ">c16"]
EXTENSIONS = ["bfloat16", "float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fn", "float8_e4m3fnuz",
              "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"]

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::numpy.exceptions.ComplexWarning")


def bits(dtype, *shape):
    dtype = np.dtype(dtype)
    if dtype == bool:
        return rng.integers(0, 2, shape).astype(bool)
    return np.frombuffer(rng.bytes(int(np.prod(shape)) * dtype.itemsize), dtype).reshape(shape)


def mild(dtype, *shape):
    """Numbers that every dtype holds nearly."""
    values = np.asarray(rng.integers(0, 200, shape) / 2)
    return values.astype(dtype)


def same(a, b):
    """Equal item by item, NaN with NaN."""
    return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind in "fcmM")


# Cast: what survives, what is lost.


@pytest.mark.parametrize("source", NUMBERS)
def test_lossy_casts_are_astype(ndb, source):
    arrays = [bits(source, 400), mild(source, 9, 31), np.asfortranarray(mild(source, 20, 7)), mild(source)]
    names = ndb.save(arrays)
    for to in NUMBERS:
        ndb.run("convert", *names, "-o", "out/", "--cast", to, "--lossy")
        for name, array in zip(names, arrays):
            found = np.load(ndb.folder / "out" / name)
            expected = array.astype(to)
            defined = np.ones(array.shape, bool)
            if array.dtype.kind in "fc" and np.dtype(to).kind in "iu":
                # C does not say what becomes of numbers out of range.
                real, limits = array.real.astype("f8"), np.iinfo(to)
                defined = (real > float(limits.min) - 1) & (real < float(limits.max) + (limits.bits < 64))
            assert found.dtype == expected.dtype and found.flags.fnc == expected.flags.fnc
            assert same(found[defined], expected[defined]), (source, to, name)


@pytest.mark.parametrize("source", NUMBERS)
def test_casts_that_lose_are_refused(ndb, source):
    """A cast passes exactly if every value comes back from NumPy's own cast."""
    some = [np.array(value).astype(source) for value in [0, 1, 2, 2.5, -1, 127, 128, 255, 300, 65504, 65520, 2**24 + 1]]
    some += [np.array(value).astype(source) for value in [np.nan, np.inf, -np.inf, 1e300, 0.1, 1 + 1j, 1j * np.inf]]
    if np.dtype(source).itemsize == 8 and np.dtype(source).kind in "iu":
        some += [np.array(value, source) for value in [2**53, 2**53 + 1, 2**63 - 1, 2**62]]
    if source == "<u8":
        some += [np.array(value, source) for value in [2**63, 2**64 - 1, 2**64 - 1024]]
    if np.dtype(source).kind == "f" and np.dtype(source).itemsize > 2:
        some += [np.array(value, source) for value in [2.0**63, 2.0**64, -(2.0**63), 2.0**31, 5e-324, -0.0]]
    names = ndb.save(some)
    for to in NUMBERS:
        (ndb.folder / "out").mkdir(exist_ok=True)
        [path.unlink() for path in (ndb.folder / "out").iterdir()]
        expected = [survives(array, to) for array in some]
        ndb.run("convert", *names, "-o", "out/", "--cast", to, exit=0 if all(expected) else 5)
        for name, array, whole in zip(names, some, expected):
            assert (ndb.folder / "out" / name).exists() == whole, (array, to)
            if whole:
                assert same(np.load(ndb.folder / "out" / name), array.astype(to)), (array, to)


def survives(array, to):
    """Whether a 0-d array is the same number as `to`: Python compares int, float and complex exactly."""
    there = array.astype(to)
    if array.dtype.kind in "fc" and np.dtype(to).kind in "iu":
        real, limits = float(array.real), np.iinfo(to)
        if not np.isfinite(real) or not limits.min <= int(real) <= limits.max:
            return False
    before, after = array.item(), there.item()
    parts = lambda value: [complex(value).real, complex(value).imag] if isinstance(value, complex) else [value, 0]
    return all(b == a or (b != b and a != a) for b, a in zip(parts(before), parts(after)))


def test_a_refused_cast_says_what_would_be_lost(ndb):
    array = np.arange(12.0).reshape(3, 4)
    array[1, 2] = 3.7
    array[2, 0] = np.nan
    (name,) = ndb.save([array])
    error = ndb.run("convert", name, "-o", "out.npy", "--cast", "<i2", exit=5)
    assert "the item at [1, 2] is 3.7 and would become 3; 2 of 12 items change (--lossy allows it)" in error
    assert name in error and not (ndb.folder / "out.npy").exists()


@pytest.mark.parametrize("name", EXTENSIONS)
def test_extension_floats(ndb, name):
    dtype = np.dtype(getattr(ml_dtypes, name))
    codes = np.arange(256 ** dtype.itemsize, dtype=f"u{dtype.itemsize}").view(dtype)
    (ndb.folder / "codes.raw").write_bytes(codes.tobytes())
    # Every one fits a double, and comes back from it.
    ndb.run("convert", "codes.raw", "-o", "wide.npy", "--raw", name, "--cast", "<f8")
    wide = np.load(ndb.folder / "wide.npy")
    assert same(wide, codes.astype("<f8"))
    ndb.run("convert", "wide.npy", "-o", "back.raw", "--cast", name)
    back = np.fromfile(ndb.folder / "back.raw", codes.view(f"u{dtype.itemsize}").dtype).view(dtype)
    assert same(back.astype("f8"), wide)
    # Rounding, ties and what is beyond.
    values = rng.standard_normal(4000) * 2.0 ** rng.integers(-20, 20, 4000)
    finite = np.unique(np.abs(wide[np.isfinite(wide)]))[:5000]
    values = np.concatenate([values, (finite[1:] + finite[:-1]) / 2, [np.inf, -np.inf, np.nan, -0.0, 1e39, 5e-324]])
    np.save(ndb.folder / "values.npy", values)
    ndb.run("convert", "values.npy", "-o", "cast.raw", "--cast", name, "--lossy")
    found = np.fromfile(ndb.folder / "cast.raw", f"u{dtype.itemsize}").view(dtype).astype("f8")
    expected = values.astype(dtype).astype("f8")
    differ = ~((found == expected) | (np.isnan(found) & np.isnan(expected)))
    assert not differ.any(), (values[differ][:5], found[differ][:5], expected[differ][:5])


def test_what_is_no_number_is_not_cast(ndb):
    names = ndb.save([np.array(["1"]), np.array(["2020"], "M8[D]"), np.zeros(2, [("a", "f4")]), np.zeros(2, "g")])
    for name in names:
        assert "no cast from" in ndb.run("convert", name, "-o", "out.npy", "--cast", "f8", exit=5)
    # Another byte order is no cast, whatever the dtype.
    record = np.zeros(3, [("a", "<f4"), ("b", ">i2", (2,)), ("c", "<U2")])
    record["a"], record["b"], record["c"] = 1.5, 7, "ab"
    ndb.save([record])
    ndb.run("convert", "a0.npy", "-o", "out.npy", "--cast", "{a:>f4,b:<i2[2],c:>U2}")
    found = np.load(ndb.folder / "out.npy")
    assert found.dtype == [("a", ">f4"), ("b", "<i2", (2,)), ("c", ">U2")] and (found == record).all()


# Statistics.


@pytest.mark.parametrize("dtype", NUMBERS + ["<M8[s]", ">m8[ms]"])
def test_statistics_are_numpys(ndb, dtype):
    kind = np.dtype(dtype).kind
    arrays = [mild(dtype, 3000), mild(dtype, 7, 9).T[::-1]] if kind not in "mM" else []
    if kind not in "fc":
        arrays += [bits(dtype, 500)]
    else:
        spread = (rng.standard_normal(5000) * 100).astype(dtype)
        spread[::7] = np.nan
        arrays += [spread]
    found = ndb.json("info", "--stats", *ndb.save(arrays))
    for array, line in zip(arrays, found, strict=True):
        stats = line["stats"]
        least, most = np.nanmin(array), np.nanmax(array)
        if kind in "mM":
            array = array[~np.isnat(array)]
            least, most = array.min(), array.max()
        assert [stats["min"], stats["max"]] == [str(least), str(most)]
        if kind in "mM":
            assert stats["mean"] is None and stats["nan"] == line["items"] - array.size
        elif kind == "c":
            mean = np.nanmean(array.astype("c16"))
            assert [stats["mean"], stats["mean_imag"]] == pytest.approx([mean.real, mean.imag], rel=1e-12)
        else:
            assert stats["mean"] == pytest.approx(np.nanmean(array.astype("f8")), rel=1e-12)
        if kind in "fc":
            assert stats["nan"] == np.isnan(array).sum()
        elif kind not in "mM":
            assert stats["nan"] is None


def test_statistics_of_nothing(ndb):
    arrays = [np.array([]), np.full(3, np.nan), np.array(["a"]), np.zeros(2, [("a", "f4")]), np.array([np.inf, 1.0])]
    found = [line["stats"] for line in ndb.json("info", "--stats", *ndb.save(arrays))]
    nothing = {"min": None, "max": None, "mean": None, "mean_imag": None, "nan": None}
    assert found[0] == nothing | {"nan": 0}
    assert found[1] == nothing | {"nan": 3}
    assert found[2] == found[3] == nothing
    assert found[4] == {"min": "1.0", "max": "inf", "mean": "inf", "mean_imag": None, "nan": 0}
    text = ndb.run("info", "--stats", "a1.npy")
    assert "NaN       3" in text and "min" not in text


# Differences.


@pytest.mark.parametrize("left", NUMBERS)
def test_equal_numbers_of_any_dtypes_are_equal(ndb, left):
    values = np.array([[0, 1, 0], [1, 1, 0]])
    for right in NUMBERS:
        ndb.save([values.astype(left), np.asfortranarray(values.astype(right))])
        (found,) = ndb.json("diff", "a0.npy", "a1.npy")
        assert (found["equal"], found["items"], found["differing"], found["largest"]) == (True, 6, 0, None)


@pytest.mark.parametrize("dtypes", [("<f8", ">f8"), ("<f4", "<f8"), ("<i4", "<f4"), ("<c8", "<c16"), ("u1", ">i8"), ("<c8", "<f8")])
@pytest.mark.parametrize("tolerance", [(0, 0), (1e-5, 0), (0, 0.5), (0.01, 0.25)])
def test_differences_are_numpys(ndb, dtypes, tolerance):
    rtol, atol = tolerance
    a = (rng.random((40, 30)) * 100).astype(dtypes[0])
    b = a.astype(dtypes[1])
    noise = np.where(rng.random(a.shape) < 0.1, 10.0 ** rng.integers(-6, 1, a.shape), 0)
    b = np.where(noise, (b + noise).astype(dtypes[1]), b).astype(dtypes[1])
    if b.dtype.kind in "fc":
        b[3, 4] = np.nan
    wide = np.complex128
    far = ~np.isclose(a.astype(wide), b.astype(wide), rtol=rtol, atol=atol, equal_nan=True)
    ndb.save([a, b])
    (found,) = ndb.json("diff", "a0.npy", "a1.npy", "--rtol", rtol, "--atol", atol, exit=int(far.any()))
    assert found["differing"] == far.sum() and found["equal"] == (not far.any())
    if far.any():
        first = np.unravel_index(far.argmax(), far.shape)
        assert found["first"] == {"index": list(first), "left": str(a[first]), "right": str(b[first])}
    errors = np.nan_to_num(abs(a.astype(wide) - b.astype(wide)))
    if found["largest"]:
        assert found["largest"]["error"] == pytest.approx(errors.max(), rel=1e-12)
        assert errors[tuple(found["largest"]["index"])] == pytest.approx(errors.max(), rel=1e-12)
    else:
        assert errors.max() == 0


@pytest.mark.parametrize(
    "a, b, differing",
    [
        (np.array([2**53, 2**53 + 1]), np.array([2.0**53, 2.0**53]), 1),
        (np.array([2**64 - 1], "u8"), np.array([-1]), 1),
        (np.array([np.nan, np.inf, -np.inf]), np.array([np.nan, np.inf, np.inf]), 1),
        (np.array([0.0]), np.array([-0.0]), 0),
        (np.array(["a", "bc"]), np.array(["a", "bd"], ">U9"), 1),
        (np.array([b"a", b"b\0c"]), np.array([b"a", b"b\0c"], "S9"), 0),
        (np.array(["2020", "NaT"], "M8[Y]"), np.array(["2020-01", "NaT"], ">M8[M]"), 0),
        (np.array([60, 61], "m8[s]"), np.array([1, 1], "m8[m]"), 1),
        (np.array(5), np.array(5.5), 1),
        (np.zeros((0, 3)), np.ones((0, 3)), 0),
        (np.zeros(3, "S0"), np.zeros(3, "S0"), 0),
        (np.array([b"a", b""]), np.zeros(2, "S0"), 1),
        (np.arange(6, dtype="u1").view("V1"), np.arange(6, dtype="u1")[::-1].copy().view("V1"), 6),
        (np.full(2, 1, [("a", "<i2"), ("b", "<f4", (2,))]), np.full(2, 1, [("a", ">i8"), ("b", "<f8", (2,))]), 0),
    ],
)
def test_special_differences(ndb, a, b, differing):
    ndb.save([a, b])
    (found,) = ndb.json("diff", "a0.npy", "a1.npy", exit=int(differing > 0))
    assert found["differing"] == differing


def test_every_block_counts(ndb):
    """More items than one block, items of many numbers, orders that differ."""
    a = rng.integers(-1000, 1000, (301, 257)).astype("<i4")
    b = a.astype(">f8")
    b[7, 200] += 1
    b[299, 3] -= 2.5
    ndb.save([np.asfortranarray(a), b[::-1][::-1]])
    (found,) = ndb.json("diff", "a0.npy", "a1.npy", exit=1)
    assert (found["differing"], found["first"]["index"], found["largest"]) == (2, [7, 200], {"index": [299, 3], "error": 2.5})
    long = np.dtype([("n", "u1"), ("v", "<f4", (3, 50_000))])
    a = np.zeros(5, long)
    b = a.astype([("n", "<i8"), ("v", ">f8", (3, 50_000))])
    b["v"][3, 2, 40_000] = 0.5
    b["n"][4] = 9
    ndb.save([a, b])
    (found,) = ndb.json("diff", "a0.npy", "a1.npy", exit=1)
    assert (found["differing"], found["first"]["index"], found["largest"]) == (2, [3], {"index": [4], "error": 9.0})
    # The same for casts and statistics.
    a = rng.integers(0, 2**16, (301, 257))
    ndb.save([a, np.asfortranarray(a), a[:, 5].copy()])
    ndb.run("convert", "a0.npy", "a1.npy", "-o", "out/", "--cast", ">u2")
    for name in ["a0.npy", "a1.npy"]:
        assert same(np.load(ndb.folder / "out" / name), a.astype(">u2"))
    stats = ndb.json("info", "--stats", "a1.npy")[0]["stats"]
    assert (stats["min"], stats["max"], stats["mean"]) == (str(a.min()), str(a.max()), a.mean())
    a[300, 200] = 2**16
    ndb.save([a])
    assert "the item at [300, 200] is 65536 and would become 0; 1 of 77357 items changes" in ndb.run(
        "convert", "a0.npy", "-o", "out/", "--cast", ">u2", exit=5
    )


def test_gaps_of_records_do_not_count(ndb):
    gaps = np.dtype({"names": ["a", "b"], "formats": ["u1", "<f8"], "offsets": [3, 8], "itemsize": 24})
    a = np.frombuffer(rng.bytes(24 * 50), gaps)
    b = np.frombuffer(rng.bytes(24 * 50), gaps).copy()
    b["a"], b["b"] = a["a"], a["b"]
    packed = np.zeros(50, [("a", "u1"), ("b", ">f8")])
    packed["a"], packed["b"] = a["a"], a["b"]
    ndb.save([a, b, packed])
    ndb.run("diff", "a0.npy", "a1.npy")
    ndb.run("diff", "a0.npy", "a2.npy")
    packed["a"][17] += 1
    ndb.save([packed], prefix="other")
    assert f"at [17]: {a[17]} and {packed[17]}" in ndb.run("diff", "a0.npy", "other0.npy", exit=1)


def test_values_that_differ_look_different(ndb):
    """0.1 of four bytes is not 0.1 of eight; text stands in quotes."""
    ndb.save([np.array([0.1], "f4"), np.array([0.1]), np.array(["a\nb"]), np.array(["a"])])
    (found,) = ndb.json("diff", "a0.npy", "a1.npy", exit=1)
    assert found["first"] == {"index": [0], "left": "0.10000000149011612", "right": "0.1"}
    (found,) = ndb.json("diff", "a2.npy", "a3.npy", exit=1)
    assert found["first"] == {"index": [0], "left": "'a\\nb'", "right": "'a'"}


def test_a_difference_in_words(ndb):
    a = np.zeros((2, 3))
    b = a.copy()
    b[1, 2] = 0.5
    ndb.save([a, b])
    text = ndb.run("diff", "a0.npy", "a1.npy", exit=1)
    assert text.splitlines() == [
        "a0.npy and a1.npy differ",
        "  differing 1 of 6 items",
        "  first     at [1, 2]: 0.0 and 0.5",
        "  largest   at [1, 2]: apart by 5e-1",
    ]


def test_what_cannot_be_compared(ndb):
    ndb.save([np.zeros(3), np.zeros(4), np.array(["a", "b", "c"]), np.zeros(3, "M8[s]"), np.zeros(3, [("a", "f8")])])
    assert "shapes [3] and [4] differ" in ndb.run("diff", "a0.npy", "a1.npy", exit=5)
    for other in ["a2.npy", "a3.npy", "a4.npy"]:
        assert "not comparable" in ndb.run("diff", "a0.npy", other, exit=5)
    assert "--rtol" in ndb.run("diff", "a0.npy", "a0.npy", "--rtol=-1", exit=2)
    ndb.run("diff", "a0.npy", "missing.npy", exit=3)
