"""Compressed frames: every dtype and layout by every codec, through memory, files and streams."""

import io
import os
import socket

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

import ndbytes as ndb
from test_reader import READER
from cases import DTYPES, LAYOUTS, array, check
from conftest import LONG, examples
from strategies import arrays, overlaps
from streams import assert_equal, running

CODECS = ["auto", "fast", "small", "lz4", "zstd", "deflate", "pco"]


def same(found, wanted):
    assert found.shape == wanted.shape
    # What holds no value, in long doubles too, is zeros in frames.
    plain = ndb.loads(ndb.dumps(wanted, codec="none"))
    check(found.tobytes(), plain.tobytes(), wanted.dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_dtype_and_layout_comes_back(dtype, layout):
    a = array(dtype, layout)
    for codec in CODECS:
        same(ndb.loads(ndb.dumps(a, codec=codec)), a)


@hypothesis.settings(examples, max_examples=50_000 if LONG else 500)
@hypothesis.given(arrays(), st.sampled_from(CODECS), st.sampled_from([1, 2, 4]))
def test_any_array(array, codec, threads):
    data = ndb.dumps(array, codec=codec, threads=1)
    assert ndb.dumps(array, codec=codec, threads=threads) == data
    back = ndb.loads(data, threads=threads)
    if not overlaps(array.dtype):
        assert_equal(back, array)
    room = bytearray(len(data) + array.nbytes + 4096)
    assert ndb.dumps(array, codec=codec, out=room, threads=threads) == data
    plain = len(ndb.dumps(array, codec="none"))
    assert len(data) <= plain + plain // 100 + 256


@pytest.fixture(scope="module")
def walk():
    steps = np.random.default_rng(3).normal(0, 1, (300, 40, 50)).astype("<f4")
    return np.cumsum(steps, axis=0)


@pytest.mark.parametrize("codec", CODECS)
def test_files_and_streams(codec, walk, tmp_path):
    path = tmp_path / "x.ndb"
    ndb.save(path, walk, codec=codec, name="walk", attrs={"unit": "m"})
    assert_equal(ndb.load(path), walk)
    assert os.path.getsize(path) < walk.nbytes
    out = np.empty((40, 50, 600), "<f4").transpose(2, 0, 1)[::2]
    assert ndb.load(path, out=out) is out
    assert_equal(out, walk)
    report = ndb.verify(path)
    assert report.state == "verified" and report.blocks >= 3
    with open(path, "rb") as file:
        assert_equal(ndb.load(file), walk)
    file = io.BytesIO()
    for a in (walk, walk[0], walk):
        ndb.send(file, a, codec=codec, name="a")
    file.seek(0)
    for a in (walk, walk[0], walk):
        assert_equal(ndb.recv(file), a)
    here, there = socket.socketpair()
    with here, there, running(lambda: ndb.send(here, walk, codec=codec)):
        assert_equal(ndb.recv(there), walk)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("step", [1, 100, 333, 1 << 16])
def test_the_decoder_reads_coded_frames_in_any_pieces(codec, step, walk):
    small = walk[:3, :10] if step == 1 else walk[:40]
    data = ndb.dumps(small, codec=codec) + ndb.dumps(small[::-1], codec="none") + ndb.dumps(small[:, ::2], codec=codec)
    wanted = [small, small[::-1], small[:, ::2]]
    fed = ndb.Decoder()
    filled = ndb.Decoder()
    at, found, filled_found = 0, [], []
    while at < len(data):
        piece = data[at : at + step]
        fed.feed(piece)
        found += list(fed)
        while piece:
            view = filled.get_buffer(len(piece))
            n = min(len(view), len(piece))
            view[:n] = piece[:n]
            del view
            filled.buffer_updated(n)
            piece = piece[n:]
        filled_found += list(filled)
        at += step
    for arrays in (found, filled_found):
        assert len(arrays) == 3
        for array, want in zip(arrays, wanted):
            assert_equal(array, want)


def test_what_has_blocks_is_not_looked_at_where_it_lies(walk):
    noise = np.random.default_rng(0).integers(0, 256, 10**6, dtype="u1")
    for a in (walk, noise):
        with pytest.raises(ndb.ArgumentError, match="leave out copy=False"):
            ndb.loads(ndb.dumps(a, codec="lz4"), copy=False)


def test_the_default_of_a_file_is_compressed_and_read_by_the_reader_in_python(walk, tmp_path):
    for name, a in {"walk": walk, "F": np.asfortranarray(walk[:30]), "decimal": np.round(walk[:20].astype("f8"), 2)}.items():
        path = tmp_path / f"{name}.ndb"
        ndb.save(path, a)
        assert os.path.getsize(path) < a.nbytes * 0.95
        assert_equal(READER.read(path)[0], a)


def test_levels(walk):
    sizes = {level: len(ndb.dumps(walk, codec="zstd", level=level)) for level in (1, 15)}
    assert sizes[15] < sizes[1]
    assert len(ndb.dumps(walk, codec="small")) <= min(sizes.values())


def test_noise_is_stored():
    noise = np.random.default_rng(1).integers(0, 256, 1 << 20, np.uint8)
    assert len(ndb.dumps(noise, codec="auto")) < noise.nbytes + 2048


def test_out_that_is_too_small_is_told(walk):
    with pytest.raises(ndb.ArgumentError, match="the destination has 1000 bytes, which are too few; "):
        ndb.dumps(walk, codec="auto", out=bytearray(1000))


def test_damage_names_the_block(walk):
    data = bytearray(ndb.dumps(walk, codec="auto"))
    data[len(data) // 2] ^= 1
    with pytest.raises(ndb.ChecksumError, match=r"block \d+ of 0 to \d+ \(bytes \d+ to \d+\) is damaged"):
        ndb.loads(data)
    found, mask = ndb.load(io.BytesIO(bytes(data)), recover=True)
    assert mask.any() and not mask.all()
    assert np.array_equal(found[~mask], walk[~mask])
