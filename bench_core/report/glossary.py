"""How to read the report: every term in one line, and how the numbers were measured."""

from __future__ import annotations

from bench_core.core.tunings import TUNINGS

TERMS: tuple[tuple[str, str], ...] = (
    ("workload", "A named piece of PyTorch work, such as one training step of a small network."),
    ("case", "A workload at one device, batch size, dtype, variant, setting and number of CPU threads."),
    (
        "unit",
        "What a workload counts: an image, a series, an element. Times are per unit, so batch sizes can be compared.",
    ),
    ("batch size", "The number of units in one call. For matrix products it is the side length n."),
    ("setting", "An option of a workload, such as a kernel size or a sequence length."),
    ("call", "One execution of the work: one training step, one inference, one operation."),
    (
        "marks in plots",
        "Bars are confidence intervals. Small dots are samples, spread sideways in the order in which they were taken. "
        "A violet band is the confidence interval of a crossover. A half-filled marker has too few samples for an "
        "interval; a hollow one was measured beside other work, so no verdict rests on it.",
    ),
    ("median", "The middle of all samples: half were faster, half slower."),
    ("sample", "Seconds per call, averaged over one timed block of calls."),
    (
        "CI",
        "Confidence interval: the range that contains the true median with 95% confidence, unless stated otherwise. It "
        "comes from the ranks of the samples; no normal distribution is assumed. With too few samples there is none.",
    ),
    (
        "half-width",
        "Half the width of the confidence interval, relative to the median. A run has a target, such as 2%.",
    ),
    ("target missed", "The time limit came first; the half-width reached is larger than the target."),
    ("fp32", "32-bit floating point with TF32 switched off everywhere."),
    ("tf32", "A faster, less precise 32-bit mode of GPUs. CPUs do not have it; the CPU side is fp32."),
    (
        "bf16, fp16",
        "16-bit floating point: faster, less precise. Inference and operators have their weights and inputs stored in "
        "it; training runs under autocast.",
    ),
    (
        "autocast",
        "torch.autocast: weights and inputs are stored in fp32 and cast to 16 bits in each call. The column 16 bits "
        "says how many numbers a call casts. Its figures are not compared with those of stored numbers.",
    ),
    ("default", "The dtype and precision settings of torch as installed."),
    ("eager", "PyTorch's default: operation by operation."),
    ("compile", "The variant that uses torch.compile."),
    (
        "cuda_graph",
        "The variant in which the kernels of a call are captured once and launched together, which saves the time of "
        "Python and of single launches. CPUs do not have it; the CPU side is eager.",
    ),
    *((tuning.name, tuning.about) for tuning in TUNINGS.values()),
    (
        "other variants and dtypes",
        "Another dtype or variant against eager fp32 on the same device at the same batch size.",
    ),
    (
        "speedup R",
        "CPU time divided by GPU time for the same work. 2× means that the GPU takes half the time. Where other things "
        "are compared, the text next to the table says which time is divided by which.",
    ),
    (
        "matched",
        "CPU (all usable cores) and GPU run the same workload with the same setting, batch size, dtype and variant.",
    ),
    ("best against best", "Each side at its own best batch size, variant and number of threads."),
    (
        "crossover",
        "The batch size at which R is 1: below it the CPU is faster, above it the GPU. It is interpolated between the "
        "batch sizes measured.",
    ),
    (
        "FASTER",
        "The confidence interval of the ratio lies entirely above 1: the GPU is faster (or all cores, or the other "
        "variant).",
    ),
    ("SLOWER", "The confidence interval of the ratio lies entirely below 1."),
    (
        "SAME",
        "The confidence interval lies entirely within 5% of 1: a difference too small to act on, even if it is "
        "significant.",
    ),
    (
        "UNCLEAR",
        "The confidence interval includes 1 and is wider than that, or there is none; or a side is contended.",
    ),
    ("MISSING", "One side was not measured."),
    (
        "contended",
        "Measured beside other work: other processes, or other virtual machines on the same host, took the CPU "
        "meanwhile, by the kernel's counters. Such a figure is shown, with * in tables and a hollow marker in plots, "
        "but no verdict rests on it. GPU results can be contended too, because the CPU launches the work.",
    ),
    ("busy machine", "A machine on which more than half of the cases of a run are contended."),
    (
        "cold start",
        "The time of a case's first call, with loading and allocation; for the first case of a run also with the "
        "initialization of libraries.",
    ),
    (
        "latency",
        "The time of single calls, each synchronized. p95 = 20 µs means that 95 of 100 calls took at most 20 µs.",
    ),
    ("stage", "A part of a pipeline, such as loading. Stages are timed one at a time, alternately with whole calls."),
    ("throughput", "Units per second, from the median time."),
    (
        "host time",
        "The time that Python and the driver take to launch the work of a call, before waiting for the device.",
    ),
    ("device time", "The time of a call by the GPU's own clock; all other times are by the host's clock."),
    (
        "relative error",
        "How far the results of a case's first call are from the same work in float64: the outputs and, in training, "
        "the gradients and the first update of the weights. A case above the tolerance of its dtype fails.",
    ),
    (
        "cross check",
        "Blocks with twice the calls should take twice the time; if they do not, the case is flagged.",
    ),
    ("compile time", "The seconds that torch.compile took for the case; they are part of its cold start."),
    ("graphs", "What torch.compile compiled, each without interruption."),
    ("graph breaks", "Places that torch.compile could not compile, and that ran as plain Python."),
    (
        "compiled",
        "The share of the operators of the forward pass that are in compiled graphs. Below half, or without a graph, "
        "the case is skipped.",
    ),
    ("peak memory", "The most memory that torch allocated on the device during the case."),
    ("FLOP", "A floating-point operation; a multiply-add counts as two. 1.22M FLOP are 1,220,000."),
    (
        "threads",
        "The number of CPU threads that torch used. All usable cores are those the process may use, not the number "
        "installed.",
    ),
    ("test accuracy", "The share of test images, none of them used in training, that the model classifies correctly."),
    ("digits stand-in", "Real handwritten digits of 8x8 pixels, enlarged, in place of MNIST."),
)

METHOD: tuple[str, ...] = (
    "Both devices are timed with the same clock: synchronize, read the clock, make the calls, synchronize, read the "
    "clock.",
    "A timed block has so many calls that reading the clock takes less than 0.1% of a sample.",
    "Warm-up: the work is repeated until two consecutive windows of blocks agree. If the time limit comes first, the "
    "case is flagged as not steady.",
    "Samples are taken until the confidence interval of the median is as narrow as the target, or the time limit is "
    "reached. No sample is deleted.",
    "Confidence intervals come from one process. They do not include the differences between processes, so a "
    "difference of a few percent may not be reproduced by the next run.",
    "The confidence interval of a ratio combines those of both times. The interval of a crossover ends where the ends "
    "of the ratios' intervals cross 1; it does not include the error of interpolating between two batch sizes.",
    "The CPU uses all usable cores unless a row states otherwise; the number of threads is given with each result.",
    "There is no mean over workloads. If several runs have the same case of the same machine, the newest counts.",
)
