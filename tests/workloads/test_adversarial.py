"""The alternating steps of adversarial workloads, and that no training step waits for its device."""

import copy

import pytest
import torch
from torch.nn import functional as F
from torch.optim import SGD
from torch.utils._python_dispatch import TorchDispatchMode

from bench_core import Case, workloads

pytestmark = pytest.mark.usefixtures("one_cache", "one_thread")

TRAINING = [name for name in workloads.names() if workloads.get(name).kind == "train"]


def told(logits, verdict):
    """The loss of logits that should all say real (1) or fake (0)."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, verdict))


@pytest.mark.parametrize("name", ["gan_step", "cgan_step"])
def test_a_step_is_a_round_of_the_algorithm_written_by_hand(name):
    step = workloads.build(Case(name, batch_size=2))
    generator, discriminator = (copy.deepcopy(step.modules[key]) for key in ("generator", "discriminator"))
    calls = []
    for key, module in step.modules.items():
        module.register_forward_pre_hook(lambda _, inputs, key=key: calls.append((key[0], inputs)))
    losses = step()
    assert "".join(key for key, _ in calls) == "gddgd"
    (noise, *given), (real, *_), (fresh, *_) = (calls[i][1] for i in (0, 1, 3))
    assert not torch.equal(noise, fresh)

    learns = SGD(discriminator.parameters(), lr=0.001, momentum=0.5)
    made = generator(noise, *given).detach()
    on_real, on_fake = told(discriminator(real, *given), 1), told(discriminator(made, *given), 0)
    (on_real + on_fake).backward()
    learns.step()
    learns = SGD(generator.parameters(), lr=0.001, momentum=0.5)
    fooled = told(discriminator(generator(fresh, *given), *given), 1)
    fooled.backward()
    learns.step()

    for key, value in {"real": on_real, "fake": on_fake, "fooled": fooled}.items():
        assert torch.allclose(losses[key], value, rtol=1e-5)
    for ours, by_hand in ((step.modules["generator"], generator), (step.modules["discriminator"], discriminator)):
        for p, expected in zip(ours.parameters(), by_hand.parameters(), strict=True):
            assert torch.allclose(p, expected, atol=1e-6)


def test_gradients_of_the_discriminator_are_those_of_its_own_turn():
    step = workloads.build(Case("gan_step", batch_size=2))
    discriminator, seen = step.modules["discriminator"], []
    step.optimizers["generator"].register_step_pre_hook(lambda *_: seen.append([p.grad for p in weights]))
    weights = list(discriminator.parameters())
    step.optimizers["discriminator"].register_step_post_hook(lambda *_: seen.append([p.grad.clone() for p in weights]))
    step()
    own, later = seen
    assert all(torch.equal(a, b) for a, b in zip(own, later, strict=True))


def test_pix2pix_infers_as_it_trains(monkeypatch):
    monkeypatch.setattr("bench_core.build.BuildContext.resident", lambda ctx, _: 1)
    step = workloads.build(Case("pix2pix256_infer"))
    first, second = step(), step()
    assert first.shape == (1, 3, 256, 256)
    assert first.abs().max() <= 1
    assert torch.equal(first, second), "the masks are drawn once"
    step.modules["model"].eval()
    assert not torch.allclose(step(), first, atol=0.01), "dropout and the batch's statistics"


class NoScalars(TorchDispatchMode):
    """Refuses to hand a tensor's value to Python, as ``.item()`` does: a GPU would have to be waited for."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert func is not torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


def test_reading_a_value_is_noticed():
    with NoScalars(), pytest.raises(AssertionError):
        torch.ones(()).item()


@pytest.mark.parametrize("name", TRAINING)
def test_no_training_step_reads_a_value(name, monkeypatch):
    monkeypatch.setattr("bench_core.workloads.resnet50.SIDE", 64)
    step = workloads.build(Case(name, batch_size=1))
    for optimizer in step.optimizers.values():  # on a CPU, Adam reads its own count of steps
        monkeypatch.setattr(optimizer, "step", lambda: None)
    with NoScalars():
        step()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", TRAINING)
def test_no_training_step_waits_for_the_gpu(name):
    step = workloads.build(Case(name, device="cuda", batch_size=2))
    step()
    step()
    torch.cuda.set_sync_debug_mode("error")
    try:
        step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
