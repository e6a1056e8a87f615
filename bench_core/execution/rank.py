"""The process of a rank: measures its part of a case, together with the others.

``python -m bench_core.execution.rank FOLDER`` is started by torch's elastic launcher, which ``execution.launching``
calls. The folder has the task; a rank that fails writes its reply there, as does the first rank in any case.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

from bench_core.core.cache import draft
from bench_core.core.schema import as_dataclass
from bench_core.execution.together import measure_together
from bench_core.execution.worker import Reply, Task, end_with_parent, failure_of, find_workload, rank_file, task_file
from bench_core.hardware.ranks import join
from bench_core.storage.files import encode

PR_SET_PDEATHSIG = 1


def reply_of(task: Task) -> Reply:
    """Join the other ranks and measure the case of a task with them."""
    met, ranks = time.monotonic(), None
    try:
        ranks = join(task.case.device_type, task.patience)
        workload = find_workload(task.module, task.case.workload)
        measurement, record = measure_together(workload, task.case, task.effort, task.sources, ranks)
        return Reply(encode(record), measurement)
    except Exception as error:
        failure, alone = failure_of(error), time.monotonic() - (ranks.met if ranks else met)
        # An error of the suite, such as a skip, has a reason of its own, however long this rank has been busy.
        return Reply(failure=replace(failure, at=time.time(), waited=not failure.kind and alone >= task.patience))


def main() -> None:
    """Measure the task in the folder, and end as soon as the launcher does.

    A failure is written before this process ends and the others, which then lose their connection, can write theirs.
    """
    (folder,) = map(Path, sys.argv[1:])
    _die_with_launcher()
    threading.Thread(target=end_with_parent, daemon=True).start()
    task, _ = as_dataclass(Task, json.loads(task_file(folder).read_text(encoding="utf-8")))
    reply, rank = reply_of(task), int(os.environ["RANK"])
    if reply.failure or rank == 0:
        with draft(rank_file(folder, rank)) as unfinished:
            unfinished.write_text(json.dumps(asdict(reply), allow_nan=False), encoding="utf-8")
    sys.stderr.flush()
    os._exit(1 if reply.failure else 0)  # without waiting for whatever waits for another rank


def _die_with_launcher() -> None:
    """Let the kernel kill this process when its parent ends, even if it hangs where Python cannot run; Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
