"""Arrays as values in Redis.

    pip install redis
    python examples/redis_values.py redis://localhost
"""

import sys

import numpy as np
import redis

import ndbytes as ndb


def main(url):
    # Values are bytes: no decode_responses here.
    db = redis.Redis.from_url(url)
    try:
        frames = np.random.default_rng(1).normal(size=(8, 64, 64)).astype("<f4")
        db.set("demo:frames", ndb.dumps(frames, codec="fast"), ex=60)
        back = ndb.loads(db.get("demo:frames"), expect="<f4[?,64,64]")
        assert np.array_equal(back, frames)
        print("value:", back.dtype, back.shape)

        # A list as a queue of arrays, each of which says what it is.
        for array in frames[0], np.array(["a", "bc"]), np.array(7):
            db.rpush("demo:queue", ndb.dumps(array))
        queue = [ndb.loads(db.lpop("demo:queue")) for _ in range(3)]
        print("queue:", [(str(array.dtype), array.shape) for array in queue])

        # What another client wrote over a part of it is an error, and never wrong numbers.
        db.setrange("demo:frames", 5000, b"oops")
        try:
            ndb.loads(db.get("demo:frames"))
        except ndb.ChecksumError as error:
            print("refused: block", error.block)
    finally:
        db.delete("demo:frames", "demo:queue")
        db.close()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "redis://localhost")
