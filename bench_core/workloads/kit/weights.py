"""Weights that the user brings, as torchvision stores them: found, checked and loaded. Nothing is ever downloaded."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench_core.core.errors import DataError

AUXILIARY = "aux_classifier."
"""What the names in torchvision's auxiliary heads begin with. Such a head is used in training only."""
_DIGEST_IN_NAME = re.compile(r"-([0-9a-f]{8})\.pth")
_MAX_NAMED = 3


def find_weights(folder: Path | None, name: str) -> Path | None:
    """The file ``name.pth`` or ``name-*.pth`` in a folder; ``None`` without a folder, a name or such a file.

    Raises ``DataError`` if the folder cannot be read, or for more than one such file.
    """
    if folder is None or not name:
        return None
    try:
        files = sorted(path for path in folder.iterdir() if _is_named(path, name))
    except OSError as error:
        raise DataError(f"weights folder {folder} cannot be read: {error.strerror}") from error
    if len(files) > 1:
        raise DataError(f"several weights of {name} in {folder}: {_some([path.name for path in files])}; keep one")
    return files[0] if files else None


def _is_named(path: Path, name: str) -> bool:
    return path.name == f"{name}.pth" or fnmatchcase(path.name, f"{name}-*.pth")


def load_weights(model: nn.Module, path: Path) -> str:
    """Load a state dict into a model on the CPU; returns the file's name and the beginning of its SHA-256, for people.

    The names and shapes must be those of the model, except for an auxiliary head that the model does not have. Code in
    the file is not executed. Raises ``DataError`` for a file that is damaged or does not fit.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"weights {path} cannot be read: {error.strerror}") from error
    digest = hashlib.sha256(content).hexdigest()[:8]
    named = _DIGEST_IN_NAME.search(path.name)
    if named and named[1] != digest:
        raise DataError(f"weights {path} are damaged: their SHA-256 begins with {digest}, not with {named[1]}")
    state = _state_dict(path, content)
    without_head = _drop_auxiliary(model, state)
    problems = list(_problems(model, state))
    if problems:
        raise DataError(f"weights {path} do not fit {type(model).__name__}: {_some(problems)}")
    return f"weights of {path.name} (SHA-256 {digest}){', without the auxiliary head' if without_head else ''}"


def _state_dict(path: Path, content: bytes) -> dict[str, Tensor]:
    try:
        state: Any = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    except Exception as error:  # a damaged file raises almost any exception, and torch's text on code has many lines
        raise DataError(
            f"weights {path} are damaged, or contain more than tensors (code in them is not executed); "
            "use a state dict as torchvision publishes it"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()):
        raise DataError(f"weights {path} are not a state dict, that is, tensors by name; save model.state_dict()")
    return state


def _drop_auxiliary(model: nn.Module, state: dict[str, Tensor]) -> bool:
    """Remove an auxiliary head that the model does not have; returns whether there was one."""
    own = model.state_dict().keys()
    names = [name for name in state if name.startswith(AUXILIARY) and name not in own]
    for name in names:
        del state[name]  # in place: a state dict also has torch's version numbers
    return bool(names)


def _problems(model: nn.Module, state: dict[str, Tensor]) -> Iterator[str]:
    """What does not fit. Loads the state if its shapes fit: older files lack some names, and torch knows which."""
    own = model.state_dict()
    different = [
        f"{name} is {_described(state[name])}, not {_described(own[name])}"
        for name in own.keys() & state.keys()
        if _described(state[name]) != _described(own[name])
    ]
    if different:
        yield from sorted(different)
        return
    try:
        missing, unexpected = model.load_state_dict(state, strict=False)
    except RuntimeError as error:
        yield str(error).splitlines()[-1].strip()
        return
    yield from (f"{name} is missing" for name in missing)
    yield from (f"{name} is not in the network" for name in unexpected)
    yield from (f"{name} is not finite" for name, value in state.items() if not value.isfinite().all())


def _described(tensor: Tensor) -> str:
    """What must be the same: the shape, and whether the numbers are floating-point."""
    return f"{tuple(tensor.shape)}{'' if tensor.is_floating_point() else f' of {tensor.dtype}'}"


def _some(words: list[str]) -> str:
    more = len(words) - _MAX_NAMED
    return ", ".join(words[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
