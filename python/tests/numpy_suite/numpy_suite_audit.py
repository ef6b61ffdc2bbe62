"""What a target does inside: watched with a profile function and an audit hook while a test runs.

Environment
  NUMPY_SUITE_POISON=1     no work may be done by NumPy's own code: `numpy.memmap`, `numpy.lib._format_impl`,
                           `numpy.lib._npyio_impl`, `zipfile`, the methods `tobytes` and `tofile` of `ndarray`, and the
                           functions `fromfile` and `frombuffer`
  NUMPY_SUITE_NO_OBJECT=1  nothing may be unpickled, or unmarshalled but by an import

A call counts when the target, or the plugin's call of the target, stands below it on the stack: what a test does on
its own is its own. What the target does in a file object that the test has made with `zipfile` is not counted
either. Every hit makes the run fail, and is listed.
"""
import os
import sys
import threading
import zipfile
from collections import Counter
from pathlib import Path

import numpy
import numpy._core.memmap
import numpy.lib._format_impl
import numpy.lib._npyio_impl

POISON = os.environ.get("NUMPY_SUITE_POISON") == "1"
NO_OBJECT = os.environ.get("NUMPY_SUITE_NO_OBJECT") == "1"

hits = Counter()
_files = {sys.modules[name].__file__: name for name in
          ("numpy._core.memmap", "numpy.lib._format_impl", "numpy.lib._npyio_impl", "zipfile")}
_given = ("_ZipWriteFile", "ZipExtFile", "_SharedFile", "_Tellable")   # files that a test may pass in
_c_methods = {"tobytes", "tofile"}
_c_functions = {"fromfile", "frombuffer"}
_unpicklers = {"load", "loads"}
_state = {"folder": None, "wrapper": None, "active": False}


def watch(target, wrapper_code):
    """Looks at the target's insides from now on; `wrapper_code` is what the plugin calls its functions through."""
    if not (POISON or NO_OBJECT):
        return
    _state["folder"] = str(Path(target.__file__).resolve().parent) + os.sep
    if hasattr(target, "__path__") is False:                    # a module, not a package: its own file only
        _state["folder"] = str(Path(target.__file__).resolve())
    _state["wrapper"] = wrapper_code
    if POISON:
        for name, own in (("memmap", numpy.memmap), ("NpzFile", numpy.lib.npyio.NpzFile)):
            if getattr(target, name, None) is own:
                hits[f"numpy's own class {name} is the target's"] += 1
    if NO_OBJECT:
        sys.addaudithook(_audit)


def start():
    if POISON or NO_OBJECT:
        _state["active"] = True
        threading.setprofile(_profile)
        sys.setprofile(_profile)


def stop():
    if POISON or NO_OBJECT:
        sys.setprofile(None)
        threading.setprofile(None)
        _state["active"] = False


def _profile(frame, event, arg):
    if event == "call":
        if POISON:
            name = _files.get(frame.f_code.co_filename)
            if name and not frame.f_code.co_qualname.startswith(_given):
                _count(f"{name}.{frame.f_code.co_qualname}", frame)
    elif event == "c_call":
        name = getattr(arg, "__name__", None)
        if POISON and name in _c_methods:
            # A scalar has these methods too, and they are the array's inside.
            if isinstance(getattr(arg, "__self__", None), (numpy.ndarray, numpy.generic)):
                _count(f"ndarray.{name}", frame)
        elif POISON and name in _c_functions:
            if str(getattr(arg, "__module__", "")).startswith("numpy"):
                _count(f"numpy.{name}", frame)
        elif NO_OBJECT and name in _unpicklers:
            if getattr(arg, "__module__", None) == "_pickle" or "Unpickler" in type(getattr(arg, "__self__", 0)).__name__:
                _count(f"pickle.{name}", frame)


def _audit(event, args):
    if event in ("pickle.find_class", "marshal.loads", "marshal.load") and _state["active"]:
        _count(event, sys._getframe(1))


def _count(what, frame):
    """Counts a call if the target stands below it."""
    while frame is not None:
        code = frame.f_code
        if what.startswith("marshal") and "importlib" in code.co_filename:
            return
        if code is _state["wrapper"] or code.co_filename.startswith(_state["folder"]):
            hits[what] += 1
            return
        frame = frame.f_back
