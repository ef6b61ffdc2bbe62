"""Headers that `np.save` does not write: what the strict and the lenient mode make of them, beside NumPy."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import LONG
from npyfiles import header, npy, numpy_load
from oracle import Refused

DATA = bytes(range(256)) * 16


def outcome(read):
    """What was read, without the data; or that it was refused."""
    try:
        array = read()
    except Exception:  # NumPy raises many kinds.
        return None
    fortran = array.fortran if hasattr(array, "fortran") else array.flags.fnc
    return array.dtype, array.shape, fortran


# What strict readers refuse, and `np.load` and the lenient mode read: header, kind, message.
OLD = [
    (header(shape="(3L,)"), "Unsupported", "an integer with L is Python 2's spelling"),
    (header(shape="(3L, 2L)"), "Unsupported", "an integer with L is Python 2's spelling"),
    (header(descr="u'<i4'"), "Unsupported", "the prefix u'' is Python 2's spelling"),
    ("{u'descr': '<i4', u'fortran_order': False, u'shape': (3,)}", "Unsupported", "the prefix u''"),
    (header(descr="[(u'a', u'<i4')]"), "Unsupported", "the prefix u''"),
    (header(descr="'<f8', 'descr': '<i4'"), "Malformed", 'duplicate key "descr"'),
    (header(order="True, 'fortran_order': False"), "Malformed", 'duplicate key "fortran_order"'),
    (header(shape="(9,), 'shape': (3,)"), "Malformed", 'duplicate key "shape"'),
    (header(descr="[('a', '<i4', 2)]"), "Malformed", "field shape: expected '(', found '2'"),
]
ALIASES = """int32 =i4 |i4 i4 >d d f g F ? b h l q int float complex bool uint8 float16 longdouble
    datetime64[ns] timedelta64 M8 M8[D] <M8[generic] m8[25s] S S5 a3 |U3 U str bytes void V4 S05
    i4,f8 (2,)i4,f8 3i4,S2 i4, i4,>f8""".split()
OLD += [(header(descr=f"{name!r}"), "Unsupported", "is an alias; ndbytes.numpy.load accepts it") for name in ALIASES]
OLD += [(header(descr=f"[('x', {name!r})]"), "Unsupported", "is an alias") for name in ALIASES]


@pytest.mark.parametrize("text, kind, why", OLD)
def test_old_and_foreign_headers_are_for_the_lenient_mode(oracle, text, kind, why):
    file = npy(text, DATA, align=True)
    with pytest.raises(Refused) as refused:
        oracle.decode(file, checks="ignored")
    assert refused.value.kind == kind and why in refused.value.message
    assert 10 <= refused.value.offset < 10 + len(text)
    lenient = oracle.decode(file, lenient=True, checks="ignored")
    theirs = numpy_load(file)
    assert (lenient.dtype, lenient.shape, lenient.fortran) == (theirs.dtype, theirs.shape, theirs.flags.fnc)
    assert lenient.data == theirs.tobytes("A")


@pytest.mark.parametrize("align", [True, False])
@pytest.mark.parametrize(
    "text",
    [
        header(),
        '{"descr": "<i4", "fortran_order": False, "shape": (3,)}',
        "{'shape': (2, 3), 'fortran_order': True, 'descr': '<i4'}",
        " \n{'descr':'<i4',\n\t'fortran_order' : False , 'shape':(3,)}",
        header(descr="'\\x3ci4'"),
        header(descr="'>i1'"),
        header(descr="'<b1'"),
        header(descr="'>S3'"),
        header(descr="[('a', '<i4',),]"),
        header(descr="[('a', '<i4', ())]"),
        header(descr="[('', '|V4'), ('a', '<i4'), ('', '|V4', (2,))]"),
        header(descr="[(('t', ''), '|V4')]"),
        header(descr="[('', '<i4'), ('b', 'V2')]").replace("'V2'", "'|V2'"),
        header(descr="'|S0'"),
        header(descr="'|V0'"),
        header(descr="'<M8[2147483647as]'"),
        header(shape="(0, 1000000000000)"),
        header(shape="( 1 ,2, )"),
    ],
)
def test_other_ways_to_write_the_same(oracle, text, align):
    """Both modes read these as NumPy does; without the newline at the end only the lenient mode does."""
    file = npy(text, DATA, align=align)
    theirs = outcome(lambda: numpy_load(file))
    assert theirs and outcome(lambda: oracle.decode(file, lenient=True, checks="ignored")) == theirs
    if align:
        assert outcome(lambda: oracle.decode(file, checks="ignored")) == theirs
    else:
        with pytest.raises(Refused, match="no newline at the end") as refused:
            oracle.decode(file, checks="ignored")
        assert (refused.value.kind, refused.value.offset) == ("Malformed", 10 + len(text))


@pytest.mark.parametrize(
    "text",
    [
        header() + "  # a comment",
        f"({header()})",
        header(shape="(0x3,)"),
        header(shape="(1_0,)"),
        header(shape="(+3,)"),
        header(descr="'<' 'i4'"),
        header(descr="r'<i4'"),
        header(descr="'''<i4'''"),
        header(descr="'\\74i4'"),
        header(descr="('<i4')"),
        header(descr="[['a', '<i4']]"),
        header(descr="'<M8[0s]'"),
        header(descr="'<M8[s/2]'"),
        header(descr="'1i4'"),
        header() + "\x0c",
    ],
)
def test_what_nobody_writes_is_read_by_numpy_alone(oracle, text):
    """`np.load` evaluates any literal of Python; the lenient mode is a closed grammar."""
    file = npy(text, DATA, align=True)
    assert outcome(lambda: numpy_load(file))
    for lenient in (False, True):
        with pytest.raises(Refused) as refused:
            oracle.decode(file, lenient=lenient, checks="ignored")
        assert refused.value.kind in ("Malformed", "Unsupported")


def test_bytes_behind_the_array(oracle):
    file = npy(header(), bytes(12), align=True)
    assert oracle.decode(file).shape == (3,)
    for more in (b"\0", b"more", b"\x93PNG", file, bytes(500)):
        assert numpy_load(file + more).shape == (3,)
        assert oracle.decode(file + more, lenient=True, checks="ignored").shape == (3,)
        with pytest.raises(Refused, match="bytes behind the array that are no checksum tail") as refused:
            oracle.decode(file + more)
        assert (refused.value.kind, refused.value.offset) == ("Malformed", len(file))


def test_every_truncation(oracle):
    file = npy(header(), bytes(range(12)), align=True)
    for length in range(len(file)):
        assert outcome(lambda: numpy_load(file[:length])) is None
        for chunk in (0, 1, 50):
            with pytest.raises(Refused) as refused:
                oracle.decode(file[:length], lenient=True, chunk=chunk)
            assert (refused.value.kind, refused.value.offset) == ("Truncated", length)


# Headers as tokens, so that a mutation often leaves something that reads.
TOKENS = """{ } [ ] ( ) , : ' " \\ 'descr' 'fortran_order' 'shape' True False None '<i4' '>f8' '|u1' '|S3' '<U2' '|V3' '|O'
    '<M8[ns]' '<m8' '<i3' 'i4' '<f8' '|b1' 'a' 'b' '' ('T', 0 1 2 3 10 257 -1 1.5 2L 007 u'a' b'x' '\\n' '\\x00' '\\u00e9' é
    ('a', '<i4') ('', '|V4') [('a', '|u1')] ('b', '<f4', (2,)) (('T', 'c'), '|b1') 9223372036854775808 # \t \n""".split(" ")
STARTS = [
    ["{", "'descr'", ":", "'<i4'", ",", "'fortran_order'", ":", "False", ",", "'shape'", ":", "(", "3", ",", ")", "}"],
    "{ 'descr' : [ ('a', '<i4') , ('b', '<f8') ] , 'fortran_order' : True , 'shape' : ( 2 , 3 ) , }".split(" "),
    "{ 'descr' : [ ('', '|V4') , ('x', [('y', '>u2'), ('z', '|S3')], (2,)) ] , 'fortran_order' : False , "
    "'shape' : ( ) , }".split(" "),
]
MUTATION = st.tuples(st.integers(0, 30), st.sampled_from(["put", "replace", "remove", "twice"]), st.sampled_from(TOKENS))


@st.composite
def mutated_tokens(draw):
    tokens = list(draw(st.sampled_from(STARTS)))
    for place, how, token in draw(st.lists(MUTATION, max_size=3)):
        at = place % len(tokens)
        match how:
            case "put":
                tokens.insert(at, token)
            case "replace":
                tokens[at] = token
            case "remove" if len(tokens) > 1:
                del tokens[at]
            case _:
                tokens.insert(at, tokens[at])
    return draw(st.sampled_from(["", " "])).join(tokens)


BYTE = st.tuples(st.integers(0, 200), st.sampled_from(["put", "replace", "remove"]), st.integers(0, 255))


@st.composite
def mutated_bytes(draw):
    data = bytearray(npy(draw(mutated_tokens()).encode(), DATA, draw(st.sampled_from([1, 2, 3])), align=True))
    for place, how, byte in draw(st.lists(BYTE, max_size=2)):
        match how:
            case "put":
                data.insert(place, byte)
            case "replace":
                data[place] = byte
            case _:
                del data[place]
    return bytes(data)


def check_like_numpy(oracle, file):
    strict = outcome(lambda: oracle.decode(file, checks="ignored"))
    if strict is None:
        return False
    theirs = outcome(lambda: numpy_load(file))
    assert theirs is not None, "read here and not by NumPy"
    assert strict[:2] == theirs[:2]
    one_order = len(strict[1]) < 2 or 0 in strict[1] or sorted(strict[1])[-2] == 1
    assert strict[2] == theirs[2] or one_order
    lenient = outcome(lambda: oracle.decode(file, lenient=True, checks="ignored"))
    assert lenient == strict
    return True


@settings(max_examples=100_000 if LONG else 2000)
@given(mutated_tokens(), st.sampled_from([1, 2, 3]), st.booleans())
def test_mutated_headers_are_read_as_numpy_reads_them_or_not_at_all(oracle, text, version, align):
    file = npy(text.encode("utf8"), DATA, version, align)
    read = check_like_numpy(oracle, file)
    # The lenient mode too takes nothing that NumPy refuses.
    if not read and outcome(lambda: oracle.decode(file, lenient=True, checks="ignored")):
        assert outcome(lambda: numpy_load(file)) == outcome(
            lambda: oracle.decode(file, lenient=True, checks="ignored")
        )


@settings(max_examples=100_000 if LONG else 2000)
@given(mutated_bytes())
def test_mutated_files_are_read_as_numpy_reads_them_or_not_at_all(oracle, file):
    check_like_numpy(oracle, file)


def test_the_mutations_leave_some_that_read(oracle):
    """So that the two tests above prove something."""
    read = sum(check_like_numpy(oracle, npy(text, DATA, align=True)) for text in neighbours())
    assert read > 150


def neighbours():
    """Every header that is one token away."""
    for start in STARTS:
        for at in range(len(start)):
            yield "".join(start[:at] + start[at + 1 :])
            for token in TOKENS:
                yield "".join(start[:at] + [token] + start[at + 1 :]).encode()
                yield "".join(start[:at] + [token] + start[at:]).encode()


@pytest.mark.parametrize("alias", ALIASES)
def test_aliases_mean_what_numpy_says(oracle, alias):
    descr, _, size = oracle.descr(repr(alias), lenient=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 'a3' is going to be 'S3'.
        dtype = np.dtype(alias)
    assert (descr, size) == (repr(np.lib.format.dtype_to_descr(dtype)), dtype.itemsize)
