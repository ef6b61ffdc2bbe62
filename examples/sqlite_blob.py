"""Arrays as BLOBs in SQLite.

    python examples/sqlite_blob.py
"""

import sqlite3

import numpy as np

import ndbytes as ndb


def put(db, name, array):
    """Compressed where that helps; the row says what it is, so the table needs no columns for dtype and shape."""
    with db:
        db.execute("INSERT OR REPLACE INTO arrays VALUES (?, ?)", (name, ndb.dumps(array, codec="auto", name=name)))


def get(db, name, expect=None):
    (data,) = db.execute("SELECT data FROM arrays WHERE name = ?", (name,)).fetchone()
    return ndb.loads(data, expect=expect)


def read(db, name):
    """The same of a large one, in pieces and without the whole BLOB in memory beside the array."""
    (row,) = db.execute("SELECT rowid FROM arrays WHERE name = ?", (name,)).fetchone()
    with db.blobopen("arrays", "data", row, readonly=True) as blob:
        return ndb.load(blob, require_checksum=True)


def main():
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE arrays (name TEXT PRIMARY KEY, data BLOB NOT NULL)")
    steps = np.arange(100_000, dtype="<i8").reshape(100, 1000)
    put(db, "steps", steps)
    put(db, "one", np.array(1.5))

    assert np.array_equal(get(db, "steps", expect="<i8[?,1000]"), steps)
    assert np.array_equal(read(db, "steps"), steps)
    (size,) = db.execute("SELECT length(data) FROM arrays WHERE name = 'steps'").fetchone()
    print("steps:", steps.nbytes, "bytes, less than a tenth of it stored:", size < steps.nbytes // 10)
    print("one:", get(db, "one"))


if __name__ == "__main__":
    main()
