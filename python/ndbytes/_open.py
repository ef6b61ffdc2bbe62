"""`ndbytes.open`: arrays in files, read and written a part at a time."""

import os

from ndbytes import _core
from ndbytes._archive import Archive
from ndbytes._errors import ArgumentError, ArgumentTypeError
from ndbytes._growing import Growing, created, is_open
from ndbytes._handle import Handle
from ndbytes._memory import Held, Mapped
from ndbytes._parts import Coded, Member

_MODES = {"readonly": "r", "readwrite": "r+", "copyonwrite": "c", "write": "w+", "w": "w+"}
_NO_CODEC = {"codec": None, "level": None}


def open(path_or_buffer, mode="r", *, member=None, dtype=None, shape=None, order=None, offset=0, gap=0, codec=None, level=None,
         block=None, checksum=None, name=None, attrs=None, limits=None, require_checksum=False) -> Handle:
    """Opens an array for reading, for reading and writing, or to append rows, without loading it.

    Parameters
    ----------
    path_or_buffer : path or buffer
        A ``.npy`` (bare or checked) or ``.ndb`` file is mapped; of one whose data are in blocks those that are touched are read, and
        their checksums compared; one in a zlib or gzip stream is loaded. ``bytes``, ``memoryview``, ``mmap``, … are looked at
        where they are; their checksums are compared first, or block by block.
    mode : {'r', 'r+', 'c', 'w+'}, optional
        r: read. r+: what is written goes to the file. c: what is written stays in memory. w+ (or w): a new file of
        zeros, in place of an old one. NumPy's long names are taken too.
    member : str, optional
        The array of this name in a ``.npz``, which is only read: of one that ndbytes has deflated the blocks that are touched, each of
        which is held against its sum; of one that is stored as it is the bytes alone, which nothing vouches for. One that others have
        deflated is read whole at the first access, and kept.
    dtype, shape, order, offset, gap : optional
        What a file without a header holds, as for ``frombuffer``; for a new file what it is to hold (``.npy``, or
        ``.raw`` and ``.bin`` without a header). A new ``.ndb`` has the shape ``(None, ...)``: it has no rows, and ``append`` adds them.
    codec, level, block : optional
        For a ``.ndb`` to which rows are appended, as for ``save``: what compresses them, by default ``"auto"``; and for a new one the
        lengths of a block.
    checksum, name, attrs : optional
        For a new file: whether it has checksums, which a ``.ndb`` has anyway, the array's name, and a dict of what else is to be said of it.
    limits : Limits, optional
        Default ``Limits.local()``.
    require_checksum : bool, optional
        True: a file without checksums is an error. The sums of mapped data are compared by ``verify``.

    Returns
    -------
    Handle

    Raises
    ------
    FormatError, TruncatedError, ChecksumError, UnsupportedError, LimitError
        For a file that is none of these, whose size does not fit, or that is damaged as far as can be seen.
    ArgumentError
        For arguments that cannot be meant.
    KeyError
        For a member that is not there.
    OSError
        From the system, with errno and filename.

    Examples
    --------
    >>> import numpy as np, ndbytes as ndb, tempfile, os
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "a.npy")
    ...     with ndb.open(path, "w+", dtype="<f4", shape=(3, 2), checksum=True) as h:
    ...         h[1] = 7, 8
    ...         h.append(np.ones((1, 2), "<f4"))
    ...     with ndb.open(path) as h:
    ...         h.shape, h.checksum_state, h[1:, 0]
    ((4, 2), 'present', array([7., 0., 1.], dtype=float32))

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "log.ndb")
    ...     with ndb.open(path, "w", dtype="<i4", shape=(None, 2)) as h:
    ...         h.append(np.array([[1, 2], [3, 4]], "<i4"))
    ...     with ndb.open(path, "r+") as h:
    ...         h.append(np.array([[5, 6]], "<i4"))
    ...     ndb.load(path).tolist()
    [[1, 2], [3, 4], [5, 6]]
    """
    mode = _MODES.get(mode, mode)
    if mode not in ("r", "r+", "c", "w+"):
        raise ArgumentError(f"mode must be one of r, r+, c, w+ (or w), found {mode!r}; rows are appended with r+")
    declared = {"dtype": dtype, "shape": shape, "order": order, "offset": offset, "gap": gap}
    given = {"limits": limits, "require_checksum": require_checksum}
    if mode != "w+" and (checksum is not None or name is not None or attrs is not None):
        raise ArgumentError("checksum, name and attrs are for a new file, of mode w+")
    if member is not None:
        if mode != "r" or {"codec": codec, "level": level} != _NO_CODEC or block is not None:
            raise ArgumentError(f"an array in an .npz is only read, found mode {mode!r}; save() makes a new archive")
        _check_undeclared(declared)
        return _member(path_or_buffer, member, given)
    if _is_buffer(path_or_buffer):
        if mode != "r":
            raise ArgumentError(f"a buffer is only read: mode {mode!r} is for files")
        return Handle(_held(path_or_buffer, declared, given), mode, path_or_buffer, declared)
    path = _path(path_or_buffer)
    options = {**declared, **given}
    coding = {"codec": codec, "level": level}
    if mode == "w+" and path.endswith(".ndb"):
        memory = _begun(path, declared, coding, block=block, checksum=checksum, name=name, attrs=attrs)
        options["dtype"] = options["shape"] = None
        return Handle(memory, mode, path, options)
    if block is not None or (coding != _NO_CODEC and mode != "r+"):
        raise ArgumentError("codec, level and block are for a .ndb to which rows are appended")
    if mode == "w+":
        memory = Mapped(_created(path, declared, bool(checksum), name, attrs))
        if not _is_headerless(path):
            options["dtype"] = None  # Its header says it from now on.
    elif dtype is None and (found := _one(path, limits))["compression"]:
        if mode != "r":
            raise ArgumentError(f"{path}: compressed, so it is only read; load and save it to change it")
        memory = _held(path, declared, given)
    elif dtype is None and found["grows"] and mode == "r+":
        _check_undeclared(declared)
        memory = Growing(_core.Growing.open(path, codec or "auto", level, limits))
    elif dtype is None and found["block"] is not None:
        if mode != "r":
            what = 'save it with codec="none", or as .npy, to change it in place'
            raise ArgumentError(f"{path}: its data are in blocks, so it is only read; {what}")
        _check_undeclared(declared)
        memory = Coded(_core.Parts.open(path, limits))
    elif coding != _NO_CODEC:
        raise ArgumentError(f"{path}: it has no codec; codec and level are for a .ndb to which rows are appended")
    else:
        memory = Mapped(_core.Map.open(path, mode, **options))
    return Handle(memory, mode, path, options)


def _member(given, member, options):
    """A handle of an array in an archive."""
    limits = options["limits"]
    if _is_buffer(given):
        core = _core.Archive.of_buffer(given, limits)
    else:
        given = _path(given)
        core = _core.Archive.open(given, limits)
    with Archive(core, given, False) as archive:
        index = archive._index(member)
        memory = Member(_core.Parts.of_member(core, index))
    return Handle(memory, "r", given, {**options, "member": archive.files[index]})


def _path(given):
    try:
        return os.fsdecode(given)
    except TypeError:
        found = type(given).__name__
        raise ArgumentTypeError(f"expected a path or a buffer, found {found}; load() takes file objects") from None


def _one(path, limits):
    """What is known of the array in a file that holds one."""
    found = _core.peek(path, limits)
    if found["format"] == "npz":
        raise ArgumentError(f"{path}: an .npz holds many arrays: name one with member=, or load() it")
    return found


def _is_buffer(given):
    if isinstance(given, (str, os.PathLike)):
        return False
    try:
        memoryview(given).release()
    except (TypeError, ValueError, BufferError):
        return False
    return True


def _held(given, declared, options):
    """The array in a buffer or in a compressed file, in memory."""
    if declared["dtype"] is not None:
        array = _core.frombuffer(given, **declared).view()
        array.flags.writeable = False
        return Held(array, None, None, "none")
    _check_undeclared(declared)
    if _is_buffer(given) and _core.is_coded(given):
        return Coded(_core.Parts.of(given, options["limits"]))
    array, state, name, attrs = _core.held(given, **options)
    return Held(array, name, attrs, state)


def _check_undeclared(declared):
    if any(value is not None and value != 0 for value in declared.values()):
        raise ArgumentError("shape, order, offset and gap are for items without a header, with dtype")


def _created(path, declared, checksum, name, attrs):
    if declared["dtype"] is None or declared["shape"] is None:
        raise ArgumentError("a new file needs dtype and shape")
    headerless = _is_headerless(path)
    if not headerless and not path.endswith(".npy"):
        raise ArgumentError(f"{path}: the name says no format; a new file ends in .npy, .raw, .bin or .ndb")
    if is_open(declared["shape"])[0]:
        raise ArgumentError(f"{path}: only a .ndb has a first axis of no length yet; give it one, 0 too: append() adds rows")
    return _core.Map.create(path, headerless, **declared, checksum=checksum, name=name, attrs=attrs)


def _begun(path, declared, coding, **options):
    if declared["dtype"] is None or declared["shape"] is None:
        raise ArgumentError("a new file needs dtype and shape")
    is_growing, shape = is_open(declared["shape"])
    if not is_growing:
        what = f"open it with shape={(None, *shape[1:])} and append rows"
        raise ArgumentError(f"{path}: a .ndb is not written in place: save() an array, or {what}")
    return created(path, **{**declared, **coding, **options, "shape": shape})


def _is_headerless(path):
    return path.endswith((".raw", ".bin"))
