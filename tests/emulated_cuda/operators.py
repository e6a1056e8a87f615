"""What torch states of an operator in its schema and tags, read once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from tests.emulated_cuda.attention import ATTENTION

aten = torch.ops.aten

INDEXING = frozenset(("index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index", "_unsafe_index_put"))
"""These move indices from the host to the GPU themselves."""
HOST_NUMBERS = frozenset((*INDEXING, "masked_fill", "masked_fill_", "fill", "fill_"))
"""Besides pointwise and ``_foreach`` operators, these take a tensor of a single number that is on the host."""
UNSTATED_WRITES: Mapping[str, frozenset[str]] = {"native_batch_norm": frozenset(("running_mean", "running_var"))}
UNSTATED_WAITS = frozenset(("_linalg_check_errors", "cholesky_solve"))
"""What waits without a tag. Torch 2.11 passes ``cholesky_solve`` to MAGMA, which allocates, waits and frees."""

Args = tuple[Any, ...]
Kwargs = Mapping[str, Any]


@dataclass(frozen=True)
class Traits:
    """``decomposes``: made of other operators. ``view``: of metadata alone. ``random``: draws random numbers.
    ``reads_back``: the host needs its figures or sizes. ``written``: by place and name, the arguments it writes to.
    """

    name: str
    decomposes: bool
    view: bool
    random: bool
    reads_back: bool
    indexes: bool
    takes_host_numbers: bool
    written: tuple[tuple[int, str], ...]

    def writes(self, args: Args, kwargs: Kwargs) -> list[Tensor]:
        """The tensors that a call writes to."""
        given = (args[place] if place < len(args) else kwargs.get(name) for place, name in self.written)
        return [value for value in leaves(tuple(given), {}) if isinstance(value, Tensor)]


@cache
def traits(func: Any) -> Traits:
    """The traits of an ``OpOverload``."""
    schema, tags, name = func._schema, func.tags, func.overloadpacket.__name__
    shared = [result.alias_info for result in schema.returns]
    unstated = UNSTATED_WRITES.get(name, ())
    written = (
        (place, argument.name)
        for place, argument in enumerate(schema.arguments)
        if argument.name in unstated or (argument.alias_info is not None and argument.alias_info.is_write)
    )
    on_host = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
    return Traits(
        name=name,
        decomposes=func._can_decompose(),
        view=torch.Tag.inplace_view in tags or any(info is not None and not info.is_write for info in shared),
        random=torch.Tag.nondeterministic_seeded in tags and name not in ATTENTION,  # there it has no dropout
        reads_back=name in UNSTATED_WAITS or not on_host.isdisjoint(tags),
        indexes=name in INDEXING,
        takes_host_numbers=name in HOST_NUMBERS or name.startswith("_foreach") or torch.Tag.pointwise in tags,
        written=tuple(written),
    )


def leaves(args: Args, kwargs: Kwargs) -> Iterator[Any]:
    """All arguments of a call, and the items of those that are lists. Torch's pytree takes several times as long."""
    for value in (*args, *kwargs.values()):
        if isinstance(value, (list, tuple)):
            yield from value
        else:
            yield value


def mapped(convert: Callable[[Any], Any], value: Any) -> Any:
    """An argument or a result converted; of a list its items."""
    if isinstance(value, (list, tuple)):
        return type(value)(convert(item) for item in value)
    return convert(value)
