"""The shim, compiled for the torch that is installed here, and the environment of a command that uses it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
LIBRARIES: Mapping[str, tuple[str, ...]] = {"runtime.so": ("runtime.c", "missing.c"), "libcuda.so.1": ("driver.c",)}
ENTRY_POINT = "[torch.backends]\nemulated_cuda = tests.emulated_cuda.install:install\n"
"""When torch is imported, it calls the entry points of this group: that is how it loads backends of other packages."""


class UnavailableError(Exception):
    """Nothing can be emulated here; the message is the reason, in one line."""


def unavailable() -> str | None:
    """Why nothing can be emulated here; ``None`` if it can. Compiles the shim if that was not done yet."""
    try:
        built()
    except UnavailableError as error:
        return str(error)
    return None


def environment() -> dict[str, str]:
    """The environment variables of a command that is to see emulated GPUs, in addition to those of this process.

    Raises ``UnavailableError``.
    """
    folder = built()
    return {
        "EMULATED_CUDA": str(folder),
        "LD_PRELOAD": _joined(folder / "runtime.so", os.environ.get("LD_PRELOAD")),
        "LD_LIBRARY_PATH": _joined(folder, os.environ.get("LD_LIBRARY_PATH")),
        "PYTHONPATH": _joined(folder, _joined(HERE.parents[1], os.environ.get("PYTHONPATH"))),
        "TORCH_DEVICE_BACKEND_AUTOLOAD": "1",
    }


def built() -> Path:
    """The folder with the compiled shim, which is kept between runs. Raises ``UnavailableError``."""
    torch_version, root = _torch()
    sources = sorted({source for names in LIBRARIES.values() for source in names})
    content = [torch_version, ENTRY_POINT, *((HERE / source).read_text() for source in sources)]
    key = hashlib.sha256("\n".join(content).encode()).hexdigest()[:12]
    folder = _cache() / f"torch-{torch_version}-{key}"
    if not folder.exists():
        _build(folder, list(_includes(root)))
    return folder


def _torch() -> tuple[str, Path]:
    """The version of torch and the folder that it is installed in, without importing it, which takes seconds."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        raise UnavailableError("torch is not installed")
    root = Path(spec.origin).parent
    if not (root / "lib" / "libtorch_cuda.so").exists():
        raise UnavailableError("this torch was built without CUDA; the emulation needs PyPI's CUDA build for Linux")
    try:
        return re.sub(r"[^\w.+-]", "_", version("torch")), root.parent
    except PackageNotFoundError:
        raise UnavailableError("torch is there without its metadata") from None


def _includes(site: Path) -> Iterator[Path]:
    """The folders of the CUDA runtime's headers: those that came with torch, and what these leave out, Triton's."""
    found = [path.parent for path in site.glob("nvidia/*/include/cuda_runtime_api.h")]
    if not found:
        raise UnavailableError("the CUDA runtime's headers are missing: the package nvidia-cuda-runtime has them")
    yield from found
    yield site / "triton" / "backends" / "nvidia" / "include"


def _build(folder: Path, includes: list[Path]) -> None:
    """Compile in a temporary folder and rename it, so that several processes may do so at once."""
    gcc = shutil.which("gcc")
    if gcc is None:
        raise UnavailableError("gcc is missing; the emulation compiles a small library")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=folder.parent))
    except OSError as error:
        raise UnavailableError(f"cannot write to {folder.parent}: {error.strerror}") from None
    try:
        for library, sources in LIBRARIES.items():
            options = ["-shared", "-fPIC", "-O1", "-pthread", f"-Wl,-soname,{library}"]
            options += [f"-I{include}" for include in includes]
            files = [str(HERE / source) for source in sources]
            made = subprocess.run([gcc, *options, "-o", str(draft / library), *files], capture_output=True, text=True)
            if made.returncode:
                first = next((line for line in made.stderr.splitlines() if "error" in line), made.stderr.strip())
                raise UnavailableError(f"gcc cannot compile the emulation: {first}")
        _write_entry_point(draft / "emulated_cuda-1.dist-info")
        try:
            draft.rename(folder)
        except OSError:
            if not folder.exists():  # else another process was first
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write_entry_point(folder: Path) -> None:
    """A package's metadata by which torch finds the emulation on ``PYTHONPATH``, and only there."""
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: emulated-cuda\nVersion: 1\n")
    (folder / "entry_points.txt").write_text(ENTRY_POINT)


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "emulated_cuda"


def _joined(first: Path, others: str | None) -> str:
    return os.pathsep.join([str(first), *([others] if others else [])])
