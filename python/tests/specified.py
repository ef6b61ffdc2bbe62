"""The readers and writers that stand beside the specification; they import each other by name."""

import importlib
import sys
from pathlib import Path

SPEC = Path(__file__).parents[2] / "spec"


def specified(name):
    sys.path.insert(0, str(SPEC))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(SPEC))


def in_ascii(spelling):
    """A dtype in one spelling: characters beyond ASCII may stand as they are or escaped."""
    return spelling.encode("ascii", "backslashreplace").decode()
