"""`ndbytes.multiprocessing`: CPython's own idioms with large arrays in them, under every start method."""

import concurrent.futures
import multiprocessing
import pickle
import sys
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest

import cases
import ndbytes as ndb
import workers
from cases import DTYPES, LAYOUTS

pytestmark = [
    pytest.mark.unpickles,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="descriptors are passed on Linux"),
    # Python itself warns of forks among threads: that they work here is what is tested.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

BIG = np.arange(1 << 18, dtype="f8").reshape(512, -1)


@pytest.fixture(autouse=True)
def installed():
    assert ndb.multiprocessing.install()
    yield
    ndb.multiprocessing.uninstall()


@pytest.fixture(params=["fork", "spawn", "forkserver"])
def context(request):
    return multiprocessing.get_context(request.param)


def through(a):
    return pickle.loads(ForkingPickler.dumps(a))


def same(found, a):
    """Found is the array, laid out as pickle lays it out; its byte order is its own, which pickle makes the machine's."""
    wanted = pickle.loads(pickle.dumps(a))
    assert found.dtype == (a.dtype if a.nbytes else wanted.dtype) and found.shape == a.shape
    assert wanted.dtype in (a.dtype, a.dtype.newbyteorder("="))
    for flag in ("C_CONTIGUOUS", "F_CONTIGUOUS", "WRITEABLE", "ALIGNED"):
        assert found.flags[flag] == wanted.flags[flag], flag
    cases.check(found.tobytes(), a.tobytes(), found.dtype)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_dtype_and_layout_is_what_pickle_makes_of_it(layout):
    ndb.multiprocessing.install(0)
    for name in DTYPES:
        a = cases.array(name, layout)
        found = through(a)
        same(found, a)
        assert workers.came_by_descriptor(found) == (a.nbytes > 0), name
        assert a.nbytes == 0 or found.dtype.fields == a.dtype.fields and found.dtype.isalignedstruct == a.dtype.isalignedstruct


def test_flags_are_what_pickle_makes_of_them():
    for a in (BIG.T.copy("F"), BIG[:, ::-1], np.broadcast_to(BIG, (2, *BIG.shape)), BIG.copy()):
        for writeable in (True, False):
            a = a.copy("K") if writeable else a
            a.flags.writeable = writeable
            found = through(a)
            same(found, a)
            assert workers.came_by_descriptor(found)


class Labelled(np.ndarray):
    pass


@pytest.mark.parametrize(
    "a",
    [
        np.array([None, "x", BIG], object),
        np.array([(1, None)] * 100_000, [("a", "f8"), ("b", "O")]),
        np.ma.masked_array(BIG, BIG > 5),
        BIG.view(Labelled),
        BIG.view(np.matrix),
        BIG[:4],
        np.float64(3),
        np.array(["a" * 40, "b"] * 40_000, np.dtypes.StringDType()) if hasattr(np.dtypes, "StringDType") else BIG[:1],
    ],
    ids=["objects", "objects in records", "masked", "subclass", "matrix", "small", "scalar", "StringDType"],
)
def test_what_goes_by_pickle_as_before(a):
    found = through(a)
    assert type(found) is type(a) and found.dtype == a.dtype
    assert repr(found) == repr(a)
    assert not isinstance(found, np.ndarray) or not workers.came_by_descriptor(found)


def test_pools(context):
    many = [BIG + number for number in range(6)]
    with context.Pool(2, initializer=ndb.multiprocessing.install) as pool:
        for results in (pool.map(workers.double, many), pool.imap(workers.double, many), pool.imap(workers.double, many, 2)):
            for a, (found, by_descriptor) in zip(many, results, strict=True):
                assert by_descriptor and workers.came_by_descriptor(found)
                assert np.array_equal(found, a * 2)
        found = sorted(a[0, 0] for a, _ in pool.imap_unordered(workers.double, many))
        assert found == [2 * number for number in range(6)]
        for found, a in zip(pool.starmap(workers.add, [(a, BIG) for a in many]), many, strict=True):
            assert np.array_equal(found, a + BIG)
        waiting = [pool.apply_async(workers.add, (a, 1)) for a in many]
        assert all(np.array_equal(each.get(30), a + 1) for each, a in zip(waiting, many, strict=True))
        with pytest.raises(ValueError, match="as it should") as raised:
            pool.apply(workers.fail, (BIG,))
        assert np.array_equal(raised.value.args[1], BIG)
        pool.close()
        pool.join()


def test_executors(context):
    with concurrent.futures.ProcessPoolExecutor(2, context, ndb.multiprocessing.install) as pool:
        futures = [pool.submit(workers.double, BIG + number) for number in range(6)]
        for number, future in enumerate(futures):
            found, by_descriptor = future.result(30)
            assert by_descriptor and workers.came_by_descriptor(found)
            assert np.array_equal(found, (BIG + number) * 2)
        assert [a[0, 1] for a in pool.map(workers.add, [BIG] * 4, range(4))] == [1, 2, 3, 4]
        error = pool.submit(workers.fail, BIG).exception(30)
        assert isinstance(error, ValueError) and np.array_equal(error.args[1], BIG)
    with concurrent.futures.ProcessPoolExecutor(1, context) as pool:
        broken = [pool.submit(workers.end, BIG), pool.submit(workers.double, BIG)]
        for future in broken:
            assert isinstance(future.exception(30), concurrent.futures.process.BrokenProcessPool)


def test_a_worker_without_install_receives_and_sends_as_it_did(context):
    with context.Pool(1) as pool:
        found, by_descriptor = pool.apply(workers.double, (BIG,))
        assert by_descriptor and np.array_equal(found, BIG * 2)


def test_arrays_inside_of_anything(context):
    holder = workers.Holder("x", BIG.copy(), [{"deep": BIG.T}, BIG[::2], (BIG, [None, 3])])
    with context.Pool(1) as pool:
        found = pool.apply(workers.changed, (holder,))
    assert isinstance(found, workers.Holder) and found.name == "x"
    assert np.array_equal(found.array, BIG + 1) and np.array_equal(holder.array, BIG)
    assert np.array_equal(found.more[0]["deep"], BIG.T + 1) and np.array_equal(found.more[1], BIG[::2])
    assert np.array_equal(found.more[2][0], BIG) and found.more[2][1] == [None, 3]
    # One array that stands in two places is one there too.
    found = through([BIG, BIG, BIG.view()])
    assert found[0] is found[1] and found[0] is not found[2]


@pytest.mark.parametrize("kind", ["Queue", "JoinableQueue", "SimpleQueue"])
def test_queues_with_many_producers_that_end_before_they_are_heard(context, kind):
    queue = getattr(context, kind)()
    producers = [context.Process(target=workers.produce, args=(queue, first, 5)) for first in range(0, 20, 5)]
    for producer in producers:
        producer.start()
    found = set()
    for _ in range(20):
        number, a = queue.get()
        assert workers.came_by_descriptor(a) and a.shape == (1 << 18,) and (a == number).all()
        found.add(number)
    assert found == set(range(20))
    for producer in producers:
        producer.join(10)
        assert producer.exitcode == 0


def test_pipes(context):
    here, there = context.Pipe()
    process = context.Process(target=workers.echo, args=(there,))
    process.start()
    there.close()
    for a in (BIG, BIG.T, BIG[::-2], np.zeros((3, 0)), np.array(3), BIG.astype(">i4")):
        here.send(a)
        found, by_descriptor = here.recv()
        # The way back is Python's own under some methods.
        assert np.array_equal(found, a) and found.dtype in (a.dtype, a.dtype.newbyteorder("="))
        assert by_descriptor == (a.nbytes >= 1 << 20)
    here.send(None)
    process.join(10)
    assert process.exitcode == 0


def test_managers(context):
    with context.Manager() as manager:
        shared = manager.dict()
        shared["a"], shared["b"] = BIG, BIG.T
        assert np.array_equal(shared["a"], BIG) and np.array_equal(shared["b"], BIG.T)
        del shared["a"]
        assert np.array_equal(manager.list([BIG])[0], BIG)


def test_arguments_of_a_process(context):
    queue = context.SimpleQueue()
    process = context.Process(target=queue_sum, args=(queue, BIG))
    process.start()
    assert queue.get() == BIG.sum()
    process.join(10)


def queue_sum(queue, a):
    queue.put(a.sum())


def test_a_copy_is_the_receivers_own(context):
    here, there = context.Pipe()
    answers, answering = context.Pipe(False)
    process = context.Process(target=workers.put_into, args=(there, answering))
    process.start()
    a = BIG.copy()
    here.send(a)
    assert answers.recv() == "done"
    assert np.array_equal(a, BIG)
    b = ndb.shm.share(BIG)
    for part in (b[:2], b[-1:, ::-3]):
        here.send(part)
        assert answers.recv() == "done"
        assert (part == 5).all()
    assert np.array_equal(b[2:-1], BIG[2:-1]), "what was not handed over"
    here.send(None)
    process.join(10)


def test_what_is_written_after_it_was_sent_does_not_arrive():
    here, there = multiprocessing.Pipe()
    a = BIG.copy()
    here.send(a)
    a[...] = 0
    found = there.recv()
    assert np.array_equal(found, BIG)
    found[...] = 1
    assert not a.any()


def test_shared_arrays_stay_shared_in_one_process():
    a = ndb.shm.zeros((4, 5), ">i4")
    for part in (a, a[1], a[::-2, 3:], a.T, a[2:3, 4:].reshape(())):
        part = part[...]
        found = through(part)
        assert np.shares_memory(found, part) and (found.strides, found.dtype) == (part.strides, part.dtype)
        part.flags.writeable = False
        assert not through(part).flags.writeable
    assert not np.shares_memory(through(a[:0]), a)


def test_uninstall_leaves_all_as_it_was():
    ndb.multiprocessing.uninstall()
    assert np.ndarray not in ForkingPickler._extra_reducers and "dump" not in vars(ForkingPickler)
    assert not workers.came_by_descriptor(through(BIG))
    ndb.multiprocessing.uninstall()
    ForkingPickler.register(np.ndarray, other := lambda a: (str, ("mine",)))
    try:
        assert ndb.multiprocessing.install() and ndb.multiprocessing.install(1 << 30)
        assert not workers.came_by_descriptor(through(BIG))
        ndb.multiprocessing.uninstall()
        assert ForkingPickler._extra_reducers[np.ndarray] is other and through(BIG) == "mine"
    finally:
        ForkingPickler._extra_reducers.pop(np.ndarray, None)
    for wrong in ({"min_nbytes": -1}, {"linger": -1}):
        with pytest.raises(ndb.ArgumentError, match="must not be negative"):
            ndb.multiprocessing.install(**wrong)
