"""The `oracle` example once: a process for one question, and the memory it took."""

import subprocess

from oracle import Refused, parsed

MIB = 1 << 20


def run(program, *args, data=None):
    """What one process answers, and its largest resident size in bytes."""
    result = subprocess.run([program, *args], input=data, capture_output=True, timeout=60)
    assert result.returncode in (0, 1) and not result.stderr, result
    return answered(result.stdout)


def answered(stdout):
    """The answer in these bytes, and the largest resident size it closes with."""
    out = memoryview(stdout)

    def take(n):
        nonlocal out
        part, out = bytes(out[:n]), out[n:]
        return part

    try:
        answer = parsed(take)
        fields = answer
    except Refused as refused:
        answer, fields = refused, refused.fields
    assert fields[-2] == b"peak" and fields[-1]
    return answer, int(fields[-1]) * 1024
