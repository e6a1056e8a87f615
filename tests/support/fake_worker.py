"""A worker of a gate without pytest and torch: a script that stands for the interpreter of a side.

Its folder has ``behavior.json``: the items, by id, with the seconds per call or what goes wrong in them. It notes its
process id in ``pids``, and what it was asked in ``asked``.
"""

import json
import math
import os
import sys
import time
from pathlib import Path

from bench_core.execution.pairing.protocol import VARIABLE, VERSION, Channel, Link, ProtocolError

ROOT = Path(__file__).parents[2]


def side(name, folder, items, version=VERSION, avoid=None, starts=None, unknown=(), stored=()):
    """A side whose workers behave as ``items`` says: seconds per call, or a word for what goes wrong.

    Only the first ``starts`` of them start, unless it is ``None``; ``unknown`` are arguments that they do not know,
    ``stored`` the items whose numbers are stored in 16 bits.
    """
    from bench_core.execution.pairing.sides import Side  # imports libraries, which a worker does without

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "behavior.json").write_text(
        json.dumps({"items": items, "version": version, "starts": starts, "unknown": unknown, "stored": stored})
    )
    python = folder / "python"
    python.write_text(f"#!/bin/sh\nPYTHONPATH={str(ROOT)!r} exec {sys.executable!r} -S {__file__!r}\n")
    python.chmod(0o755)
    return Side(name, f"the {name}", folder, str(python), avoid=avoid)


def asked(side_):
    """What the workers of a side were asked, in order."""
    path = side_.folder / "asked"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def pids(side_):
    """The process ids of the workers of a side, of those that lived long enough to note it."""
    path = side_.folder / "pids"
    return list(map(int, path.read_text().split())) if path.exists() else []


def main():
    folder = Path.cwd()
    behavior = json.loads((folder / "behavior.json").read_text())
    items = behavior["items"]
    with (folder / "pids").open("a") as file:
        file.write(f"{os.getpid()}\n")
    if "collect" in items or len((folder / "pids").read_text().split()) > (behavior["starts"] or math.inf):
        print("ERROR test_x.py - SyntaxError: invalid syntax")
        sys.exit(2)
    if "no plugin" in items:
        sys.exit(0)
    link = Link.decode(os.environ[VARIABLE])
    channel = Channel(link.reads, link.writes)
    names = {item: f"name of {item}" for item in items}
    others = {name: behavior[name] for name in ("unknown", "stored")}
    channel.send({"hello": behavior["version"], "items": names, "machine": "m", **others})
    item = None
    while True:
        try:
            message = channel.receive()
        except (ProtocolError, OSError):
            return
        with (folder / "asked").open("a") as file:
            file.write(json.dumps(message) + "\n")
        item = message.get("open", item)
        reply = answer(message, items[item], link)
        if reply is not None:
            channel.send(reply)


def answer(message, what, link):
    seconds = what if isinstance(what, float) else 1e-3
    if "open" in message:
        if what in ("skip", "fail"):
            return {"ended": {"skip": "skipped", "fail": "failed"}[what], "reason": f"will {what}"}
        if what == "deaf":
            os.close(link.reads)
        if what == "unused":
            return {"ended": "passed", "reason": ""}
        return {"opened": True}
    if "calibrate" in message:
        return {"calls": 5, "seconds": seconds}
    if "close" in message:
        stray = "module (its file)" if what == "stray" else None
        failed = what == "fails at last"
        reason = "assert 1 == 2" if failed else ""
        return {"ended": "failed" if failed else "passed", "reason": reason, "memory": 7, "stray": stray}
    if what == "crash":
        print("Fatal Python error: Segmentation fault", flush=True)
        os.kill(os.getpid(), 11)
    if what == "exit":
        os._exit(3)
    if what == "garbage":
        os.write(link.writes, b"\xff\xfe nonsense\n")
        return None
    if what == "list":
        os.write(link.writes, b"[1]\n")
        return None
    if what == "wrong":
        return {"times": [seconds, "fast"]}
    if what == "hang":
        while True:
            time.sleep(60)
    if what == "raises":
        return {"ended": "failed", "reason": "RuntimeError: no"}
    return {"times": [seconds] * message["turn"]["blocks"]}


if __name__ == "__main__":
    main()
