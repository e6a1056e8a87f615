"""The claims of courses, and what was measured for each."""

from bench_core.report.content import analyze, content
from bench_core.report.sections.claims import NAME
from tests.support import factory


def answers(*records, **facts):
    report = content(analyze([factory.run(records, **facts)]))
    study = next((study for study in report.studies if study.name == NAME), None)
    return None if study is None else [row[1] for row in study.tables[0].rows]


def test_speedups_are_counted():
    slow = factory.sweep("slow", costs={"cuda": factory.Cost(1.0, 1e-3)})
    speedup, accuracy, networks = answers(*factory.sweep("fast"), *slow)
    assert speedup.startswith("The largest matched speedups of 2 workloads are between 0.00")
    assert speedup.endswith("1 of at least 10×, 0 of at least 100×, 1 below 1.")
    assert accuracy.startswith("Not measured: no training until a target accuracy on both devices")
    assert networks == "Not measured: no batch size of cnn_mnist_train and mlp_train."


def test_accuracies_of_both_devices_are_named():
    _, accuracy, _ = answers(*factory.sweep(), learning=factory.learning())
    assert "mlp_train: 91.1% on the CPU, 91.1% on the GPU" in accuracy


def test_networks_are_compared_per_image_at_the_largest_common_batch():
    cnn = factory.sweep("cnn_mnist_train", ("cpu",), (1, 64), {"cpu": factory.Cost(0.0, 4e-5)}, one_thread_at=None)
    plain = factory.sweep("mlp_train", ("cpu",), (64, 512), {"cpu": factory.Cost(0.0, 4e-6)}, one_thread_at=None)
    speedup, _, networks = answers(*cnn, *plain, on=factory.machine(gpu=False))
    assert speedup == "Not measured: no workload on both devices."
    assert "takes the CNN (cnn_mnist_train) 10.0× as long on the CPU at batch size 64" in networks


def test_contended_figures_are_not_compared():
    cnn = factory.sweep("cnn_mnist_train", ("cpu",), (64,), one_thread_at=None)
    plain = [factory.contended(r) for r in factory.sweep("mlp_train", ("cpu",), (64,), one_thread_at=None)]
    assert answers(*cnn, *plain, on=factory.machine(gpu=False)) is None


def test_without_any_evidence_there_is_no_section():
    assert answers(*factory.sweep("gemm", ("cpu",)), on=factory.machine(gpu=False)) is None
