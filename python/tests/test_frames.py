"""Frames: the library against the reader and writer of the specification, which share no code."""

import json

import hypothesis
import hypothesis.strategies as st
import pytest

import cases
from cases import DTYPES
from oracle import Refused
from oracle import spec as spelled
from specified import in_ascii, specified

frame, dtypes, sums = specified("frame"), specified("dtypes"), specified("sums")

ARRAYS = {
    "C": lambda dtype: cases.make(dtype, (3, 5)),
    "F": lambda dtype: cases.make(dtype, (5, 3)).T,
    "strided": lambda dtype: cases.make(dtype, (6, 5))[::2, ::-1],
    "transposed 3-D": lambda dtype: cases.make(dtype, (2, 3, 4)).transpose(1, 0, 2),
    "one column": lambda dtype: cases.make(dtype, (5, 1)).T,
    "0-d": lambda dtype: cases.make(dtype, ()),
    "empty": lambda dtype: cases.make(dtype, (3, 0, 2)).T,
}


def items(array, order):
    """The bytes of the items, those that no field covers too."""
    return array.view(f"V{array.itemsize}").tobytes(order)


@pytest.mark.parametrize("layout", ARRAYS)
@pytest.mark.parametrize("name", DTYPES)
def test_frames_are_made_alike(oracle, name, layout):
    array = ARRAYS[layout](DTYPES[name])
    spec = oracle.spec(spelled(array.dtype))
    assert dtypes.itemsize(spec) == array.itemsize
    order = "F" if array.flags.fnc else "C"
    attrs = '{"é": [1.50, "x"]}' if layout == "C" else None
    wanted = frame.frame(spec, list(array.shape), items(array, order), order, "né\t", attrs)
    found = oracle.encode(array, version=0, name="né\t", attrs=attrs)
    assert found == wanted
    read = oracle.decode(wanted, checks="required")
    assert (read.spec, read.shape, read.fortran, read.version) == (spec, array.shape, order == "F", 0)
    assert (read.name, read.attrs, read.data) == ("né\t", attrs or "", items(array, order))


@pytest.mark.parametrize("size", [0, 1, sums.BLOCK - 1, sums.BLOCK, sums.BLOCK + 1, 2 * sums.BLOCK])
def test_blocks_are_summed_alike(oracle, size):
    array = cases.pool()[:size]
    assert oracle.encode(array, version=0) == frame.frame("|u1", [size], array.tobytes())


TEXTS = [
    '{"dtype":"<f8","shape":[3],"order":"C"}',
    '{ "shape" : [ 3 , 1 ] , "dtype":"|u1","later":[{"x":-1.5e3},null,true],"order":"F"}',
    '{"dtype":"<i4","shape":[2],"name":"a\\u00e9\\n\\"","attrs":{"a":{"a":[]},"b":"\\\\"}}',
    '{"dtype":"{a:<i4,:|V4,T=b:bfloat16[2,3]}","shape":[]}',
]
SPELLINGS = [
    ">c16",
    "|S12",
    "<M8[25s]",
    "float8_e4m3fn",
    ">bfloat16",
    "{a:<i4,:|V4,Title='b c':|u1[2][3],n:{x:<f4@4,y:<f4@0}/8}",
    "{'é\\xad\\'\"':|b1,'':<m8,'\\n':>U2}",
]
SNIPPETS = ["", *"{}[]:,\"'\\ \t0123459-+.eE@/=<>|ufVMmsné\x00", '"a"', "null", "{}", "[]", ":|V2", "\\u00e9", "\\xe9", "@0", "[2]"]


def mutated(texts):
    """One of the texts with up to three small edits."""
    edit = st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 2), st.sampled_from(SNIPPETS))

    def apply(text, edits):
        for where, length, snippet in edits:
            at = int(where * (len(text) + 1))
            text = text[:at] + snippet + text[at + length :]
        return text

    return st.builds(apply, st.sampled_from(texts), st.lists(edit, max_size=3))


def both_say(oracle, text):
    """What the library and the reader of the specification make of a frame with this JSON text."""
    file = frame.frame_of(text.encode(), b"")
    try:
        # The text decides d, unless it is bad.
        file = frame.frame_of(text.encode(), bytes(min(frame.described(text)["nbytes"], 1 << 20)))
    except ValueError:
        pass
    try:
        read = oracle.decode(file, checks="required")
        ours = in_ascii(read.spec), list(read.shape), "F" if read.fortran else "C", read.name, read.attrs
    except Refused as refused:
        ours = refused.kind.lower()
    try:
        read = frame.read(file)
        theirs = in_ascii(read["dtype"]), read["shape"], read["order"], read["name"] or "", read["attrs"] or ""
    except sums.FormatError as refused:
        theirs = refused.kind
    return ours, theirs


@hypothesis.settings(max_examples=20 * hypothesis.settings.default.max_examples)
@hypothesis.given(text=mutated(TEXTS))
def test_both_read_the_same_header_texts(oracle, text):
    ours, theirs = both_say(oracle, text)
    assert ours == theirs


@hypothesis.settings(max_examples=20 * hypothesis.settings.default.max_examples)
@hypothesis.given(spelling=mutated(SPELLINGS))
def test_both_read_the_same_dtypes(oracle, spelling):
    ours, theirs = both_say(oracle, json.dumps({"dtype": spelling, "shape": [2]}))
    assert ours == theirs
