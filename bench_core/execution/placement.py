"""Where a run is stored: pytest-benchmark's storage set to this machine's folder and checked before the sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench_core.core.errors import OptionError
from bench_core.storage.folder import check_writable

DEFAULT_STORAGE = "file://./.benchmarks"


def place_storage(option: Any, results: Path, root: Path) -> None:
    """Store under ``<results>/<machine slug>``, as pytest-benchmark's own machine id knows no GPU.

    ``option`` holds pytest-benchmark's options; a storage named by the user is left as it is. Raises ``StorageError``
    for a folder that cannot be written to, and ``OptionError`` for one that cannot be compared with.
    """
    saves = any(getattr(option, f"benchmark_{name}", None) for name in ("save", "autosave"))
    if option.benchmark_storage == DEFAULT_STORAGE:
        folder = results
        if saves or option.benchmark_compare:
            from bench_core.hardware.machine import fingerprint

            machine = fingerprint()
            if saves and machine.emulated:
                raise OptionError("an emulated GPU's times mean nothing: name another folder with --benchmark-storage")
            folder = folder / machine.slug
        option.benchmark_storage = f"file://{folder}"
    folder = Path(option.benchmark_storage.removeprefix("file://")).resolve()
    if option.benchmark_compare and not folder.is_relative_to(Path.cwd()):
        raise OptionError(f"--benchmark-compare needs its storage below the current folder; cd {root}")
    if saves and "+http" not in option.benchmark_storage:
        from pytest_benchmark.utils import get_machine_id

        machine_id = get_machine_id()  # type: ignore[no-untyped-call]
        check_writable(folder / machine_id, "--benchmark-storage")
    if option.benchmark_json:
        check_writable(Path(option.benchmark_json).resolve().parent, "--benchmark-json")
