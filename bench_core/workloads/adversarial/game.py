"""The parts that all adversarial workloads share: two networks that learn in turn.

Goodfellow et al., Generative Adversarial Nets, NIPS 2014.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from bench_core.workloads.kit import BuildContext, Step, flop_counter, no_sync, restorer

FROZEN_MASKS = (
    "unlike in the paper, the masks of dropout are drawn once and shared by the batch, since random numbers differ by "
    "device: a call draws none"
)
"""For the sources of workloads with ``DrawnDropout``."""

Optimize = Callable[[Iterator[nn.Parameter]], Optimizer]


class Game:
    """A generator and a discriminator that learn in turn, each with its own optimizer, created by ``optimize``.

    ``forward`` returns the function to call in place of a network (such as its compiled form), ``autocast`` the context
    of these calls.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        optimize: Optimize,
        forward: Callable[[nn.Module], Callable[..., Tensor]] = lambda network: network,
        autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self.networks = {"generator": generator, "discriminator": discriminator}
        self.optimizers = {name: optimize(network.parameters()) for name, network in self.networks.items()}
        self.generate, self.judge = forward(generator), forward(discriminator)
        self.autocast = autocast

    def descend(self, player: str, loss: Tensor) -> None:
        """One optimizer step of one player on its loss."""
        self.optimizers[player].zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizers[player].step()

    @contextmanager
    def judging_only(self) -> Iterator[None]:
        """For the generator's turn: the unused gradients of the discriminator's weights are not computed."""
        self.networks["discriminator"].requires_grad_(False)
        with no_sync(self.judge):
            yield
        self.networks["discriminator"].requires_grad_(True)


def alternate(game: Game, wanted: Tensor, noise: Tensor, fresh_noise: Tensor, *given: Tensor) -> dict[str, Tensor]:
    """One round of algorithm 1 with k = 1 on a batch; returns the losses, detached and not yet synchronized.

    The discriminator learns to distinguish ``wanted`` from the images generated from ``noise``. Then the generator
    learns, with fresh noise, to fool the discriminator: it maximizes log D instead of minimizing log(1 - D) (section
    3). ``given`` is a further input of both, such as the classes.
    """
    with game.autocast():
        with torch.no_grad():
            generated = game.generate(noise, *given)
        real = cross_entropy(game.judge(wanted, *given), 1)
        fake = cross_entropy(game.judge(generated, *given), 0)
    game.descend("discriminator", real + fake)
    with game.judging_only():
        with game.autocast():
            fooled = cross_entropy(game.judge(game.generate(fresh_noise, *given), *given), 1)
        game.descend("generator", fooled)
    return {"real": real.detach(), "fake": fake.detach(), "fooled": fooled.detach()}


class DrawnDropout(nn.Dropout):
    """Dropout with p = .5 and a mask of this shape, which is drawn once with the weights and shared by the batch.

    Random number generators differ by device: with fresh masks, the devices' results could not be compared.
    """

    mask: Tensor

    def __init__(self, *shape: int) -> None:
        super().__init__(p=0.5)
        keep = torch.rand(1, *shape) >= self.p
        self.register_buffer("mask", keep / (1 - self.p), persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        """The input; in training mode, masked and scaled."""
        return input * self.mask if self.training else input


def cross_entropy(logits: Tensor, target: float) -> Tensor:
    """The mean binary cross-entropy of logits whose target is real (1) or fake (0) for all."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def adversarial_step(
    ctx: BuildContext,
    play: Callable[..., dict[str, Tensor]],
    generator: Callable[[], nn.Module],
    discriminator: Callable[[], nn.Module],
    optimize: Optimize,
    batches: Sequence[tuple[Tensor, ...]],
    data: str,
) -> Step:
    """The step of a workload that plays one round of a game: it calls ``play(game, *batch)`` with the next batch."""
    players = ctx.model(generator, train=True), ctx.model(discriminator, train=True)

    def forward(network: nn.Module) -> Callable[..., Tensor]:
        return ctx.team.parallel(ctx.forward(network), buffers=False)

    game = Game(*players, optimize, forward, ctx.autocast)
    feed = ctx.feed([ctx.team.share(batch) for batch in batches], restorer(players, list(game.optimizers.values())))
    with torch.device("meta"):
        imagined = Game(generator(), discriminator(), optimize)
    with flop_counter() as counter:
        play(imagined, *(torch.empty_like(part, device="meta", dtype=torch.float32) for part in batches[0]))
    return ctx.step(
        lambda: play(game, *next(feed)),
        units=ctx.batch_size,
        flops=int(counter.get_total_flops()),
        data=data,
        modules=game.networks,
        optimizers=game.optimizers,
    )
