"""Arrays as bytea in PostgreSQL.

    pip install "psycopg[binary]"
    python examples/postgres_bytea.py "host=localhost dbname=test"
"""

import sys

import numpy as np
import psycopg

import ndbytes as ndb


def put(db, name, array):
    """PostgreSQL has room for 1 GB in a value."""
    db.execute(
        "INSERT INTO arrays VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET data = excluded.data",
        (name, ndb.dumps(array, codec="auto")),
    )


def get(db, name, expect=None):
    # Binary: as text a bytea takes twice as many bytes on the way.
    (data,) = db.execute("SELECT data FROM arrays WHERE name = %s", (name,), binary=True).fetchone()
    return ndb.loads(data, expect=expect)


def main(where):
    with psycopg.connect(where) as db:
        db.execute("CREATE TEMPORARY TABLE arrays (name text PRIMARY KEY, data bytea NOT NULL)")
        # What is compressed already need not be tried again by the server.
        db.execute("ALTER TABLE arrays ALTER data SET STORAGE EXTERNAL")
        picture = np.arange(480 * 640 * 3, dtype="u2").reshape(480, 640, 3)
        put(db, "picture", np.zeros(3))
        put(db, "picture", picture)
        put(db, "turned", picture.transpose(2, 0, 1))

        assert np.array_equal(get(db, "picture", expect="<u2[?,?,3]"), picture)
        turned = get(db, "turned")
        assert np.array_equal(turned, picture.transpose(2, 0, 1))
        (rows,) = db.execute("SELECT count(*) FROM arrays").fetchone()
        print(rows, "rows,", turned.dtype, turned.shape)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "host=localhost")
