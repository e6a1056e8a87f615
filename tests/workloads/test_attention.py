"""Attention and embeddings: equal to their formulas in float64, and the faults that would be easy to make."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench_core import Case, workloads
from bench_core.core.errors import CaseSkipped, ParityError
from bench_core.workloads.attention import embedding
from tests.support import parity
from tests.support.feeds import Fed
from tests.support.parity import in_float64

pytestmark = pytest.mark.usefixtures("one_cache", "one_thread", "one_batch")

HEADS, SIZE = 8, 64


def split(x: Tensor, projection: nn.Linear) -> list[Tensor]:
    """A projection of one sequence (tokens, width), by head."""
    projected = torch.einsum("ti,oi->to", x, projection.weight)
    return [projected[:, SIZE * head : SIZE * (head + 1)] for head in range(HEADS)]


def attended(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Equation 1 of one head, without a mask."""
    weights = torch.einsum("qd,kd->qk", queries, keys).div(math.sqrt(SIZE)).exp()
    return (weights / weights.sum(1, keepdim=True)) @ values


def test_prefill_equals_the_formula(fed: Fed) -> None:
    step = in_float64("attention_prefill", 2)
    output, block = step(), step.modules["model"]
    assert fed[0].shape == output.shape == (2, 512, HEADS * SIZE)
    for x, y in zip(fed[0], output, strict=True):
        queries, keys, values = (split(x, part) for part in (block.query, block.key, block.value))
        for token in (0, 1, 300, 511):  # each sees itself and those before it
            seen = slice(token + 1)
            heads = [attended(queries[h][token : token + 1], keys[h][seen], values[h][seen]) for h in range(HEADS)]
            expected = torch.einsum("ti,oi->to", torch.cat(heads, 1), block.out.weight)[0]
            assert torch.allclose(y[token], expected, rtol=1e-10, atol=1e-12)


def test_decode_equals_the_formula(fed: Fed) -> None:
    step = in_float64("attention_decode", 3)
    block = step.modules["model"]
    earlier = [cache[:, :, :-1].clone() for cache in (block.keys, block.values)]
    output = step()
    assert fed[0].shape == output.shape == (3, 1, HEADS * SIZE)
    for i, (x, y) in enumerate(zip(fed[0], output, strict=True)):
        queries, keys, values = (split(x, part) for part in (block.query, block.key, block.value))
        heads = [
            attended(queries[h], torch.cat((earlier[0][i, h], keys[h])), torch.cat((earlier[1][i, h], values[h])))
            for h in range(HEADS)
        ]
        expected = torch.einsum("ti,oi->to", torch.cat(heads, 1), block.out.weight)
        assert torch.allclose(y, expected, rtol=1e-10, atol=1e-12)


def test_every_call_of_decode_is_the_same_work(fed: Fed) -> None:
    step = workloads.build(Case("attention_decode", batch_size=2))
    block = step.modules["model"]
    assert block.keys.shape == block.values.shape == (2, HEADS, 512, SIZE)
    before = block.keys.clone(), block.values.clone()
    first = [step() for _ in fed]
    assert not torch.equal(first[0], first[1]), "the tokens rotate"
    assert all(torch.equal(step(), output) for output in first)
    for cache, was in zip((block.keys, block.values), before, strict=True):
        assert torch.equal(cache[:, :, :-1], was[:, :, :-1])
        assert not torch.equal(cache[:, :, -1], was[:, :, -1])


def test_decode_is_not_measured_with_cold_caches() -> None:
    with pytest.raises(CaseSkipped, match="cold caches are not defined for attention_decode"):
        workloads.build(Case("attention_decode", batch_size=1, caches="cold"))


def without_mask(block: nn.Module, x: Tensor) -> Tensor:
    return block.joined(F.scaled_dot_product_attention(*block.heads(x)))


def without_scale(block: nn.Module, x: Tensor) -> Tensor:
    return block.joined(F.scaled_dot_product_attention(*block.heads(x), is_causal=True, scale=1.0))


def without_new_token(block: nn.Module, x: Tensor) -> Tensor:
    queries, _, _ = block.heads(x)
    return block.joined(F.scaled_dot_product_attention(queries, block.keys, block.values))


def with_heads_exchanged(block: nn.Module, x: Tensor) -> Tensor:
    queries, key, value = block.heads(x)
    block.keys[:, :, -1:], block.values[:, :, -1:] = key, value
    return block.joined(F.scaled_dot_product_attention(queries, block.keys, block.values).flip(1))


@pytest.mark.parametrize(
    ("name", "wrong", "dtype"),
    [
        ("attention_prefill", without_mask, "fp32"),
        ("attention_prefill", without_mask, "bf16"),
        ("attention_prefill", without_scale, "fp32"),
        ("attention_prefill", without_scale, "bf16"),
        ("attention_decode", with_heads_exchanged, "fp32"),
        ("attention_decode", with_heads_exchanged, "bf16"),
        ("attention_decode", without_new_token, "fp32"),  # of 512 tokens one: lost in the rounding of bf16
    ],
)
def test_wrong_attention_is_caught(name: str, wrong: Callable[[nn.Module, Tensor], Tensor], dtype: str) -> None:
    case = Case(name, batch_size=1, dtype=dtype)
    sound = parity.check(case)
    assert 0 < sound.error <= sound.tolerance
    step = workloads.build(case)
    block = step.modules["model"]
    block.forward = lambda x: wrong(block, x)
    with pytest.raises(ParityError, match="outputs: relative error"):
        parity.check(case, step)


def test_embedding_is_the_rows_of_its_table(fed: Fed) -> None:
    step = in_float64("embedding", 100, "forward")
    (table,) = step.modules["model"].parameters()
    assert torch.equal(step(), torch.stack([table[int(word)] for word in fed[0]]))


def test_gradient_of_an_embedding_adds_up_what_reaches_a_word(fed: Fed) -> None:
    step = in_float64("embedding", 1000, "forward_backward")
    output, (words, reaching) = step(), fed[0]
    assert len(set(words.tolist())) < 700, "many words are there several times"
    expected = torch.zeros_like(output)
    for word, row in zip(words.tolist(), reaching, strict=True):
        expected[word] += row
    assert torch.allclose(output, expected, rtol=1e-10, atol=1e-12)


def test_gradient_of_the_last_of_equal_words_alone_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("embedding", batch_size=1024, setting="forward_backward")
    assert parity.check(case).error < 1e-6

    def overwriting(ctx: object, model: nn.Module, batches: list[tuple[Tensor, Tensor]]) -> Callable[[], Tensor]:
        words, reaching = batches[0]
        return lambda: torch.zeros_like(model.weight).index_copy(0, words, reaching).detach()

    with monkeypatch.context() as patch:
        patch.setattr(embedding, "gradient", overwriting)
        step = workloads.build(case)
    with pytest.raises(ParityError, match="outputs: relative error"):
        parity.check(case, step)


def test_frequencies_of_words_follow_zipfs_law(fed: Fed) -> None:
    workloads.build(Case("embedding", batch_size=2**16, setting="forward"))
    counts = torch.bincount(fed[0], minlength=10_000).double()
    harmonic = sum(1 / n for n in range(1, 10_001))
    for word in (0, 1, 9, 99):
        expected = 2**16 / (word + 1) / harmonic
        assert abs(counts[word] - expected) < 5 * math.sqrt(expected)
    rare = sum(1 / n for n in range(1001, 10_001)) / harmonic
    assert counts[1000:].sum() / 2**16 == pytest.approx(rare, abs=0.01)
