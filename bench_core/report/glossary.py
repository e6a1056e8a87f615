"""How to read the report: every term in a line, and how the numbers were made."""

from __future__ import annotations

TERMS: tuple[tuple[str, str], ...] = (
    ("workload", "A piece of PyTorch work with a name, such as one training step of a small network."),
    ("case", "A workload at one device, batch, dtype, variant, setting and number of CPU threads."),
    ("unit", "What a workload counts: an image, a series, an element. Times are per unit, so batches can be compared."),
    ("batch", "How many units are worked on in one call. For matrix products it is the side length n."),
    ("setting", "A choice of the workload's own, such as a kernel size or a sequence length."),
    ("call", "The work done once: one training step, one inference, one operation."),
    ("median", "The middle of all samples: half were faster, half slower."),
    ("sample", "Seconds per call, averaged over one timed block of calls."),
    (
        "interval",
        "The range that holds the true median at the stated confidence (95% unless told), from the ranks of the "
        "samples; no normal distribution is assumed. It is missing where there are too few samples.",
    ),
    ("half-width", "Half the interval's width as a share of the median; the run aims at a target such as 2%."),
    ("fp32", "32-bit floating point with TF32 switched off everywhere."),
    ("tf32", "A GPU's faster, less exact 32-bit mode. A CPU has none: it is compared with fp32 there."),
    ("bf16, fp16", "16-bit floating point by autocast: faster, less exact."),
    ("default", "The dtype rules that this torch has out of the box."),
    ("eager", "PyTorch as it runs by default, operation by operation. The variant compile is torch.compile."),
    (
        "cuda_graph",
        "The variant in which a call's kernels are recorded once and launched as a whole, so that neither Python nor "
        "single launches cost time. A CPU has none: it is compared with eager there.",
    ),
    ("other ways", "Another dtype or variant against eager fp32 on the same device at the same batch."),
    ("speedup R", "CPU time divided by GPU time for the same work. 2× means that the GPU takes half the time."),
    ("matched", "CPU (all usable cores) and GPU do the same workload, setting, batch, dtype and variant."),
    ("best against best", "Each side takes the batch, variant and threads at which it is quickest."),
    ("crossover", "The batch at which R is 1: below it the CPU is faster, above it the GPU. Read between the batches."),
    ("FASTER", "The interval of the ratio lies wholly above 1: the GPU (or the new side) is faster."),
    ("SLOWER", "The interval of the ratio lies wholly below 1."),
    ("SAME", "The interval lies within 5% of 1: no difference worth acting on, even if it is sure."),
    ("UNCLEAR", "The interval holds 1 and is wider than that, or there is none."),
    ("MISSING", "One side has no figure."),
    (
        "cold start",
        "The case's first call, with loading and allocation; in a run's first case also the libraries' set-up.",
    ),
    ("latency", "The time of single calls, each waited for. p95 = 20 µs means that 95 of 100 calls took at most that."),
    (
        "stage",
        "A part of a pipeline, such as loading. Stages are timed one by one, in turn with whole calls.",
    ),
    ("throughput", "Units of work per second, at the median time."),
    ("host time", "How long Python and the driver needed to hand a call's work over, before waiting for the device."),
    ("device time", "The GPU's own clock for a call, beside the wall clock that all other figures are from."),
    (
        "error",
        "How far a case's first call is from the same work in float64, relative to its size: outputs, and in training "
        "gradients and the first change of the weights. Above what its dtype allows, a case fails and has no time.",
    ),
    ("compile time", "Seconds torch.compile spent on the case, part of its cold start."),
    ("graph breaks", "Places that torch.compile could not join and ran in between as Python."),
    ("peak memory", "The most memory that torch held on the device during the case."),
    ("FLOP", "A floating-point operation; a multiply-add counts as two. 1.22M FLOP are 1,220,000."),
    ("threads", "How many CPU threads torch used. All usable cores is what the process may use, not what the box has."),
    ("target missed", "The interval is wider than asked for when the time ran out; its half-width is given."),
    ("test accuracy", "The share of images kept out of the training whose class the trained model names rightly."),
    ("digits stand-in", "Real handwritten digits of 8x8 pixels, enlarged: used in place of MNIST, and not MNIST."),
)

METHOD: tuple[str, ...] = (
    "Both devices have the same clock: wait for the device, note the time, make the calls, wait again, note the time.",
    "Blocks hold so many calls that reading the clock costs under 0.1% of a sample.",
    "Before the samples the work is repeated until two neighbouring windows agree; where the time ran out first, the "
    "case is flagged as not steady.",
    "Samples are taken until the median's interval is as narrow as asked for, or the time is up. None is deleted.",
    "Intervals come from one process. They do not hold what differs from process to process, so a difference of a few "
    "percent may not come back in the next run.",
    "A ratio's interval joins the intervals of both times. A crossover's interval is where the ends of the ratios' "
    "intervals cross 1; the error of reading between two batches is not in it.",
    "The CPU uses all usable cores unless a row says otherwise; the number of threads stands beside each figure.",
    "No mean over workloads is made. Where several runs hold the same case of the same machine, the newest counts.",
)
