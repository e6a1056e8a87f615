"""Operators and traffic of calls whose work is known."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bench_core.execution.counting import count, nbytes

N = 64
X, Y = torch.rand(N, N), torch.rand(N, N)
MATRIX = 4 * N * N
"""Bytes of a matrix."""


def counted(fn):
    counts = count(fn).counts
    return counts.operators, counts.bytes_read, counts.bytes_written


@pytest.mark.parametrize(
    ("fn", "read", "written"),
    [
        pytest.param(lambda: X.clone(), 1, 1, id="copy"),
        pytest.param(lambda: X + Y, 2, 1, id="sum"),
        pytest.param(lambda: X * X, 1, 1, id="the same input twice"),
        pytest.param(lambda: X @ Y, 2, 1, id="product"),
        pytest.param(lambda: torch.mm(X.t(), Y), 2, 1, id="product with a view"),
        pytest.param(lambda: torch.mm(X, Y, out=torch.empty(N, N)), 2, 1, id="into memory that is there"),
        pytest.param(lambda: Y.clone().add_(X), 3, 2, id="copy and in-place sum"),
        pytest.param(lambda: torch.empty(N, N).copy_(X), 1, 1, id="written over"),
        pytest.param(lambda: torch.zeros(N, N), 0, 1, id="made"),
        pytest.param(lambda: X[:1].expand(N, N).clone(), 1 / N, 1, id="a row repeated"),
        pytest.param(lambda: X[:, ::2].clone(), 1 / 2, 1 / 2, id="every other column"),
        pytest.param(lambda: torch.cat((X, Y)), 2, 2, id="joined"),
    ],
)
def test_matrices_read_and_written(fn, read, written):
    operators, bytes_read, bytes_written = counted(fn)
    assert (bytes_read, bytes_written) == (read * MATRIX, written * MATRIX)
    assert operators == (2 if read == 3 else 1)


@pytest.mark.parametrize("fn", [lambda: X.t(), lambda: X.view(-1)[3:], lambda: X.expand(3, N, N), lambda: X.detach()])
def test_views_and_memory_that_is_only_allocated_are_no_work(fn):
    assert counted(fn) == (0, 0, 0)
    assert counted(lambda: torch.empty(N, N)) == (0, 0, 0)


def test_a_chain_of_copy_sum_product_and_convolution():
    images, kernels = torch.rand(2, 3, 8, 8), torch.rand(5, 3, 3, 3)

    def chain():
        product = (X.clone() + Y) @ Y
        return product, F.conv2d(images, kernels, padding=1)

    read = (1 + 2 + 2) * MATRIX + 4 * (2 * 3 * 64 + 5 * 27)
    written = 3 * MATRIX + 4 * 2 * 5 * 64
    assert counted(chain) == (4, read, written)


def test_a_gather_reads_the_rows_it_takes():
    table, rows = torch.rand(1000, 8), torch.tensor([3, 5])
    assert counted(lambda: F.embedding(rows, table)) == (1, 2 * 8 * 4 + 2 * 8, 2 * 8 * 4)


def test_a_scatter_writes_the_rows_it_has():
    table, row, rows = torch.rand(1000, 8), torch.rand(1, 8), torch.tensor([3])
    operators, _, written = counted(lambda: table.index_copy_(0, rows, row))
    assert (operators, written) == (1, 8 * 4)


def test_a_training_step_counts_the_backward_pass():
    model, inputs = nn.Linear(N, N, bias=False), torch.rand(N, N)

    def step():
        model.zero_grad(set_to_none=True)
        model(inputs).sum().backward()

    # mm; sum; the gradient of ones; its expansion is a view; the gradient of the weights: mm of two matrices
    operators, read, written = counted(step)
    assert operators == 4
    assert written == 2 * MATRIX + 2 * 4
    assert read == (2 + 1 + 1) * MATRIX + 4


def test_the_footprint_counts_memory_once():
    counts = count(lambda: (X + Y).add_(X).mul_(Y)).counts
    assert counts.footprint == 3 * MATRIX
    assert counts.bytes == counts.bytes_read + counts.bytes_written == (2 + 2 + 2 + 1 + 1 + 1) * MATRIX


def test_bytes_of_a_tensor_leave_out_what_is_repeated():
    assert nbytes(torch.rand(5, 1).expand(5, 100)) == 20
    assert nbytes(torch.rand(0, 4)) == 0
    assert nbytes(torch.rand(10).unfold(0, 5, 1)) == 40
