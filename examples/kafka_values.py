"""Arrays as values of Kafka records, and of any queue whose messages are bytes with headers. No broker is needed here.

    producer.produce("topic", key=b"sensor-1", **record(array))         # confluent_kafka
    message = consumer.poll(); array = array_of(message.value(), message.headers())

    python examples/kafka_values.py
"""

import numpy as np

import ndbytes as ndb

TYPE = "content-type"


def record(array, **attrs):
    """Value and headers. Brokers take 1 MB unless told otherwise, so the value is compressed where that helps."""
    value = ndb.dumps(array, codec="auto", attrs=attrs or None)
    return {"value": value, "headers": [(TYPE, ndb.MEDIA_TYPE.encode())]}


def array_of(value, headers, expect=None):
    """The array of a record, or an error; None if it is no array."""
    if dict(headers or []).get(TYPE) != ndb.MEDIA_TYPE.encode():
        return None
    return ndb.loads(value, expect=expect, limits=ndb.Limits.untrusted())


def main():
    topic = [
        record(np.linspace(0, 1, 5, dtype="<f4"), sensor="s1"),
        {"value": b"no array", "headers": None},
        record(np.zeros((200, 1000), "<f8")),
    ]
    for made in topic:
        array = array_of(made["value"], made["headers"])
        print("passed over" if array is None else f"{array.dtype} {array.shape}")

    print("attributes:", ndb.info(topic[0]["value"])["attrs"])
    cut = topic[0]["value"][:-1]
    try:
        array_of(cut, topic[0]["headers"])
    except ndb.TruncatedError as error:
        print("refused:", error)


if __name__ == "__main__":
    main()
