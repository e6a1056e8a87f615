"""What the emulated GPUs do as real ones do, so that the rehearsals mean something."""

import copy
import threading
from pathlib import Path

import pytest
import torch
from torch import nn

from bench_core.hardware import precision
from tests.emulated_cuda import waits

SAME_DEVICE = "Expected all tensors to be on the same device"


@pytest.fixture(autouse=True)
def _plain_fp32():
    precision.Guard.ensure(precision.settings_for("fp32"))


def gpu(*values):
    return torch.tensor(values, dtype=torch.float32, device="cuda")


def captured(work, stream=None):
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        output = work()
    return graph, output


def kinds(seen):
    return {wait.kind: times for wait, times in seen.items()}


def test_the_device_names_itself():
    assert torch.cuda.is_available()
    assert torch.cuda.get_device_name(0) == "Emulated H200"
    assert torch.cuda.get_device_capability(0) == (9, 0)


def test_memory_is_counted():
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    tensor = torch.empty(1000, device="cuda")
    assert torch.cuda.memory_allocated() - before >= 4000
    del tensor
    assert torch.cuda.memory_allocated() == before
    assert torch.cuda.max_memory_allocated() >= before + 4000


def test_gradients_agree_with_the_cpu():
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2))
    assert_alike_on_both(layers, torch.randn(2, 3, 6, 6), lambda outputs: outputs)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("layer", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers_agree_with_the_cpu(layer, bias):
    torch.manual_seed(0)
    model = layer(3, 5, num_layers=2, bias=bias, batch_first=True)
    assert_alike_on_both(model, torch.randn(2, 4, 3), lambda outputs: outputs[0])


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_attention_agrees_with_the_cpu(dtype, causal):
    torch.manual_seed(0)
    given = [torch.randn(2, 4, 8, 16).to(dtype) for _ in range(3)]
    exact = nn.functional.scaled_dot_product_attention(*(t.double() for t in given), is_causal=causal)
    on_gpu = nn.functional.scaled_dot_product_attention(*(t.cuda() for t in given), is_causal=causal)
    assert on_gpu.dtype == dtype
    assert (on_gpu.cpu().double() - exact).norm() < torch.finfo(dtype).eps * exact.norm()


def test_softmax_in_half_precision_may_give_fp32():
    torch.manual_seed(0)
    rows = torch.randn(4, 16).half().cuda().requires_grad_()
    with torch.autocast("cuda", torch.float16):
        probabilities = torch.softmax(rows, 1)
    probabilities.square().sum().backward()
    exact = rows.detach().cpu().double().requires_grad_()
    exact.softmax(1).square().sum().backward()
    assert (probabilities.dtype, rows.grad.dtype) == (torch.float32, torch.float16)
    assert torch.allclose(probabilities.cpu().double(), exact.softmax(1), atol=1e-6)
    assert torch.allclose(rows.grad.cpu().double(), exact.grad, atol=1e-4)


def assert_alike_on_both(model, inputs, chosen):
    """Outputs and all gradients on the CPU and the GPU."""
    results = []
    for device in ("cpu", "cuda"):
        own, given = copy.deepcopy(model).to(device), inputs.clone().to(device).requires_grad_()
        outputs = chosen(own(given))
        outputs.square().sum().backward()
        results.append([t.detach().cpu() for t in (outputs, given.grad, *(p.grad for p in own.parameters()))])
    for on_cpu, on_gpu in zip(*results, strict=True):
        torch.testing.assert_close(on_cpu, on_gpu)


@pytest.mark.parametrize(
    "product", [lambda x: x @ x, lambda x: nn.functional.conv2d(x[None, None], x[None, None, :3, :3])]
)
def test_tf32_rounds_where_it_is_allowed(product):
    torch.manual_seed(0)
    factors = torch.randn(16, 16)
    exact, errors = product(factors.double()), {}
    for dtype in ("tf32", "fp32"):
        precision.Guard.ensure(precision.settings_for(dtype))
        errors[dtype] = ((product(factors.cuda()).cpu() - exact).norm() / exact.norm()).item()
    assert errors["fp32"] < 1e-6
    assert 2**-13 < errors["tf32"] < 2**-10


def test_random_numbers_follow_the_gpus_generator_and_leave_the_cpus_alone():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    torch.cuda.manual_seed(2)
    first, second = torch.rand(3, device="cuda"), torch.rand(3, device="cuda")
    assert torch.equal(torch.rand(3), expected)
    torch.cuda.manual_seed(2)
    assert torch.equal(torch.rand(3, device="cuda"), first)
    assert not torch.equal(first, second)


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (lambda: gpu(1, 2) + torch.ones(2), SAME_DEVICE),
        (lambda: torch.ones(()).add_(gpu(1).squeeze()), SAME_DEVICE),
        (lambda: gpu(1, 2).index_select(0, torch.tensor([0])), SAME_DEVICE),
        (lambda: nn.Linear(2, 2)(gpu(1, 2)), SAME_DEVICE),
        (lambda: nn.GRU(2, 2).cuda()(torch.ones(1, 1, 2)), "device"),
        (lambda: torch.ones(2)[torch.tensor([0], device="cuda")], "indices should be either on cpu"),
        (lambda: torch.rand(2, device="cuda", generator=torch.Generator()), "generator"),
        (lambda: gpu(1) + torch.ones(1, device="cuda:1"), SAME_DEVICE),
        (lambda: torch.ones(1, device="cuda:7"), "invalid device ordinal"),
    ],
)
def test_devices_do_not_mix(operation, message):
    with pytest.raises(RuntimeError, match=message):
        operation()


def test_a_number_on_the_host_may_meet_a_gpu():
    assert (gpu(1, 2) * torch.tensor(3.0)).tolist() == [3, 6]
    assert gpu(1, 2)[torch.tensor([1])].tolist() == [2]


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        (lambda x: x[0].item(), "item"),
        (lambda x: float(x.sum()), "item"),
        (lambda x: x.nonzero(), "nonzero"),
        (lambda x: x[x > 1], "nonzero"),
        (lambda x: torch.equal(x, x), "equal"),
        (lambda x: x.cpu(), "copy to host"),
        (lambda x: x.copy_(torch.ones(2)), "copy from host"),
        (lambda x: x.copy_(torch.ones(2), non_blocking=True), "copy from host"),
        (lambda x: x.copy_(torch.ones(2).pin_memory()), "copy from host"),
        (lambda x: x[torch.tensor([0])], "copy from host"),
        (lambda x: torch.linalg.cholesky(torch.diag(x)), "_linalg_check_errors"),
        (lambda x: torch.cholesky_solve(x[:, None], torch.diag(x)), "cholesky_solve"),
        (lambda x: torch.cuda.synchronize(), "cudaDeviceSynchronize"),
        (lambda x: torch.cuda.current_stream().synchronize(), "cudaStreamSynchronize"),
        (repr, "print"),
    ],
)
@pytest.mark.parametrize("inference", [False, True])
def test_waits_are_counted(operation, kind, inference):
    inputs = gpu(1, 2)
    with torch.inference_mode(inference), waits.counted() as seen:
        operation(inputs)
    assert kinds(seen) == {kind: 1}


@pytest.mark.parametrize(
    "operation",
    [
        lambda x: x.copy_(torch.ones(2).pin_memory(), non_blocking=True),
        lambda x: x.to("cpu", non_blocking=True),
        lambda x: torch.empty(2).pin_memory().copy_(x, non_blocking=True),
        lambda x: x.masked_fill_(x > 1, 0),
        lambda x: x.index_put_((x > 1,), torch.tensor(0.0)),
        lambda x: torch.linalg.cholesky_ex(torch.diag(x)),
        lambda x: torch.zeros(2, device="cuda") + x.view(2, 1).T,
        lambda x: torch.cuda.Event().record(),
        lambda x: torch.zeros_like(x, device="cpu"),
        lambda x: x.to("meta"),
    ],
)
@pytest.mark.parametrize("inference", [False, True])
def test_what_does_not_wait_is_not_counted(operation, inference):
    inputs = gpu(1, 2)
    with torch.inference_mode(inference), waits.counted() as seen:
        operation(inputs)
    assert not seen


@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
def test_torch_reports_waits_in_its_debug_mode():
    inputs = gpu(1, 2)
    torch.cuda.set_sync_debug_mode("error")
    try:
        with pytest.raises(RuntimeError, match="called a synchronizing CUDA operation"):
            inputs.tolist()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_a_wait_is_counted_at_the_line_of_the_program():
    inputs = gpu(1, 2).requires_grad_()
    with waits.counted() as seen:
        inputs.tolist()
    (wait,) = seen
    assert wait.file.endswith("test_emulation.py")
    assert wait.line == inputs_line("        inputs.tolist()")


def inputs_line(text):
    return Path(__file__).read_text().splitlines().index(text) + 1


def test_a_graph_does_its_work_on_the_same_memory_at_each_replay():
    inputs = gpu(1, 2)
    graph, output = captured(lambda: inputs * 2)
    assert output.isnan().all(), "capturing does not execute the work"
    graph.replay()
    assert output.tolist() == [2, 4]
    inputs.fill_(5)
    graph.replay()
    assert output.tolist() == [10, 10]


def test_capturing_changes_no_memory_from_before():
    weights, sums = gpu(1, 2), gpu(0, 0)

    def work():
        sums.add_(weights)
        weights.mul_(2)

    graph, _ = captured(work)
    assert weights.tolist() == [1, 2]
    graph.replay()
    graph.replay()
    assert weights.tolist() == [4, 8]
    assert sums.tolist() == [3, 6]


def test_a_number_on_the_host_is_frozen_in_a_graph():
    inputs, count = gpu(1, 2), torch.tensor(1.0)

    def work():
        count.add_(1)
        return inputs * count

    graph, output = captured(work)
    graph.replay()
    graph.replay()
    assert output.tolist() == [2, 4]


def test_gradients_can_be_captured():
    weight, inputs = gpu(1, 2).requires_grad_(), gpu(3, 4)
    (weight * inputs).sum().backward()
    weight.grad = None
    graph, _ = captured(lambda: (weight * inputs).sum().backward())
    inputs.fill_(7)
    graph.replay()
    assert weight.grad.tolist() == [7, 7]


@pytest.mark.parametrize(
    "forbidden",
    [
        lambda x: x.sum().item(),
        lambda x: x.cpu(),
        lambda x: x.copy_(torch.ones(2)),
        lambda x: torch.cuda.synchronize(),
        lambda x: torch.cuda.current_stream().synchronize(),
    ],
)
def test_waits_are_forbidden_during_a_capture(forbidden):
    inputs = gpu(1, 2)
    with pytest.raises(RuntimeError, match=r"CUDA error: operation .*captur"):
        captured(lambda: forbidden(inputs))
    graph, output = captured(lambda: inputs + 1)
    graph.replay()
    assert output.tolist() == [2, 3], "a later capture works"


def test_the_default_stream_cannot_be_captured():
    with pytest.raises(RuntimeError, match="non-default stream"):
        captured(lambda: gpu(1), stream=torch.cuda.default_stream())


def test_random_numbers_in_a_graph_are_refused():
    with pytest.raises(Exception, match="random numbers in a captured graph"):
        captured(lambda: torch.rand(2, device="cuda"))


def test_an_operator_without_a_kernel_is_named():
    query = torch.ones(1, 1, 2, 8, device="cuda", requires_grad=True)
    attended = nn.functional.scaled_dot_product_attention(query, query, query)
    with pytest.raises(NotImplementedError, match=r"no kernel for aten\._scaled_dot_product\w*_backward"):
        attended.sum().backward()


def test_an_operator_in_a_thread_fails_rather_than_to_compute_nothing():
    raised = []

    def work():
        try:
            torch.ones(2, device="cuda").add(1)
        except RuntimeError as error:
            raised.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert "operation not supported" in raised[0]


def test_tensors_can_be_printed():
    assert str(gpu(1, 2)) == "tensor([1., 2.]) on cuda:0"
