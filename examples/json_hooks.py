"""Arrays inside JSON: exact, with dtype and shape, and checked when they are read.

    python examples/json_hooks.py
"""

import json

import numpy as np

import ndbytes as ndb


def main():
    record = {
        "title": "two channels",
        "samples": np.arange(6, dtype="<f4").reshape(2, 3),
        "peaks": [{"at": np.datetime64("2026-01-02T03:04:05", "s")}, {"at": None}],
    }
    text = json.dumps(record, default=ndb.json_default)

    back = json.loads(text, object_hook=ndb.json_object_hook)
    assert back["samples"].dtype == "<f4" and np.array_equal(back["samples"], record["samples"])
    print(back["title"], back["samples"].shape, back["peaks"][0]["at"])

    # A character that changed on the way is an error, and never another number.
    at = text.index("__ndbytes__") + 195
    changed = text[:at] + ("B" if text[at] == "A" else "A") + text[at + 1 :]
    try:
        json.loads(changed, object_hook=ndb.json_object_hook)
    except ndb.ChecksumError as error:
        print("refused:", error)


if __name__ == "__main__":
    main()
