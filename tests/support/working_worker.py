"""Stands for pytest in the workers of a gate: committed as ``pytest.py`` to a project, it times the project's own
``work.work`` for real, without torch, so that a pair of processes takes a fraction of a second.

The project's item ``test_speed.py::test_work`` may be measured, another one fails. Process ids are noted in ``$PIDS``.
"""

import importlib
import os
import time

from bench_core.execution.pairing.protocol import VARIABLE, VERSION, Channel, Link, ProtocolError

CALLS = 5
ITEM, OTHER = "test_speed.py::test_work", "test_speed.py::test_other"


def main():
    with open(os.environ["PIDS"], "a") as file:  # noqa: PTH123 - starts faster without pathlib
        file.write(f"{os.getpid()}\n")
    work = importlib.import_module("work").work  # the project's, which may be broken
    link = Link.decode(os.environ[VARIABLE])
    channel = Channel(link.reads, link.writes)
    channel.send({"hello": VERSION, "items": {ITEM: ITEM, OTHER: OTHER}, "machine": "the machine of the test"})
    while True:
        try:
            message = channel.receive()
        except ProtocolError:
            return
        channel.send(answer(message, work))


def answer(message, work):
    if "open" in message:
        return {"opened": True} if message["open"] == ITEM else {"ended": "failed", "reason": "not asked for"}
    if "calibrate" in message:
        return {"calls": CALLS, "seconds": seconds(work, CALLS)}
    if "close" in message:
        return {"ended": "passed", "memory": None}
    turn = message["turn"]
    return {"times": [seconds(work, turn["calls"]) for _ in range(turn["blocks"])]}


def seconds(work, calls):
    """Seconds per call of a block."""
    start = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - start) / calls


if __name__ == "__main__":
    main()
