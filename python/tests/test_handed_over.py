"""Arrays that were born shared, handed over a channel on a Unix socket."""

import sys

import numpy as np
import pytest

import ndbytes as ndb
from channels import SMALL, flushed, sending, until
from streams import PATIENCE, descriptors

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is shared by descriptor on Linux")


@linux
@pytest.mark.parametrize("reconnect", [False, True])
def test_an_array_that_was_born_shared_is_handed_over(tmp_path, reconnect):
    with ndb.listen(f"unix:{tmp_path}/socket") as listener, ndb.connect(listener.url, reconnect=reconnect) as channel:
        a = ndb.shm.zeros((4, 6), ">f4")
        a[:] = np.arange(24).reshape(4, 6)
        for at, view in enumerate([a, a[::-1, ::2], a.T, a[2, 3:4].reshape(())]):
            assert channel.send(view, {"at": at}, name="shared") == at
            message = listener.recv(timeout=PATIENCE)
            found = message["shared"]
            assert (message.seq, message.attrs, message.name) == (at, {"at": at}, "shared")
            assert np.shares_memory(found, a) and ndb.shm.is_shared(found) and (found == view).all()
            assert (found.dtype, found.shape) == (view.dtype, view.shape)
        found[()] = -5
        assert -5 in a
        # Others go by their items, and so do those of a group, and those that come into memory of one's own.
        channel.send(a + 1)
        assert not ndb.shm.is_shared(listener.recv().array)
        channel.send({"a": a, "b": SMALL})
        message = listener.recv()
        assert not ndb.shm.is_shared(message["a"]) and (message["a"] == a).all()
        out = np.empty_like(a)
        channel.send(a)
        assert listener.recv(out).array is out and (out == a).all()
        assert channel.stats["sent"] == listener.stats["received"] == 7
        if reconnect:
            join = sending(lambda: flushed(listener))
            channel.flush(PATIENCE)
            join()


@linux
def test_what_is_handed_over_is_kept_as_a_copy(tmp_path):
    a = ndb.shm.zeros(100, "i4")
    with ndb.listen(f"unix:{tmp_path}/socket", keep=2) as listener, ndb.connect(listener.url) as channel:
        for at in range(3):
            a[:] = at
            channel.send(a)
            until(lambda: listener.stats["received"] == at + 1)
        found = [listener.recv(timeout=PATIENCE).array for _ in range(2)]
    assert [array[0] for array in found] == [1, 2]
    assert not any(np.shares_memory(array, a) for array in found)


@linux
def test_over_tcp_a_shared_array_goes_by_its_items():
    a = ndb.shm.zeros(100, "i4")
    with ndb.listen("tcp://127.0.0.1:0") as listener, ndb.connect(listener.url) as channel:
        channel.send(a)
        found = listener.recv(timeout=PATIENCE).array
        assert (found == a).all() and not ndb.shm.is_shared(found)


@linux
def test_handing_over_leaves_nothing(tmp_path):
    with ndb.listen(f"unix:{tmp_path}/socket") as listener, ndb.connect(listener.url) as channel:
        def one():
            channel.send(ndb.shm.zeros(1 << 16))
            assert listener.recv(timeout=PATIENCE).array.size == 1 << 16

        one()
        before = len(descriptors())
        for _ in range(1000):
            one()
        assert len(descriptors()) <= before
