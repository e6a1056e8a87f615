"""The median seconds of a call of eight cases on two threads, as JSON: a process for test_12_waiting."""

import json
import statistics
import time

from bench_core import Case, Step, workloads

SECONDS = 0.5
CASES = (
    ("gemm", 256),
    ("mlp_train", 64),
    ("mlp_infer", 64),
    ("gan_step", 100),
    ("lstm_ar_train", 64),
    ("cnn_mnist_train", 64),
    ("resblock_identity", 8),
    ("ar_ols_batched", 64),
)


def median(step: Step) -> float:
    """The median of at least five calls."""
    times: list[float] = []
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    import torch

    torch.set_num_threads(2)
    medians = {}
    for name, batch in CASES:
        step = workloads.build(Case(name, batch_size=batch))
        torch.set_num_threads(2)
        for _ in range(3):
            step()
        medians[f"{name} b{batch}"] = median(step)
    print(json.dumps(medians))


if __name__ == "__main__":
    main()
