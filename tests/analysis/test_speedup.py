"""Pooling, ratios, verdicts, crossovers: from runs to comparisons."""

import random
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_core.analysis.comparison import Result, Verdict
from bench_core.analysis.speedup import best_against_best, curves, pool, threads, variant_comparisons
from bench_core.core.case import Case
from bench_core.core.records import Run
from bench_core.core.stats import ratio_interval
from tests.support import factory
from tests.support.factory import Cost

GPU_CASE = Case("mlp_train", device="cuda", batch_size=64)
CPU_CASE = Case("mlp_train", batch_size=64)
NO_GPU = factory.machine(gpu=False)


def one_run(*records, **facts) -> Run:
    return factory.run(records, **facts)


def only(items):
    assert len(items) == 1
    return items[0]


def case_of(side: Result | None) -> Case | None:
    return side.case if side else None


class TestPool:
    def test_newest_record_of_a_machine_and_case_counts(self):
        old = one_run(factory.record(CPU_CASE, 1.0), started="2026-01-01T00:00:00+00:00")
        new = one_run(factory.record(CPU_CASE, 2.0), started="2026-01-02T00:00:00+00:00")
        for order in ([old, new], [new, old]):
            pooled = pool(order)
            assert only(pooled.results).record.timing.median == pytest.approx(2.0)
            assert pooled.older == 1

    def test_a_contended_record_replaces_no_other_of_the_same_commit(self):
        quiet = one_run(factory.record(CPU_CASE, 1.0), started="2026-01-01T00:00:00+00:00")
        busy = one_run(factory.contended(factory.record(CPU_CASE, 2.0)), started="2026-01-02T00:00:00+00:00")
        assert only(pool([quiet, busy]).results).record.timing.median == pytest.approx(1.0)
        later = replace(busy, info=replace(busy.info, commit="another"))
        assert only(pool([quiet, later]).results).record.timing.median == pytest.approx(2.0)
        calm = one_run(factory.record(CPU_CASE, 3.0), started="2026-01-03T00:00:00+00:00")
        assert only(pool([busy, calm]).results).record.timing.median == pytest.approx(3.0)

    def test_new_software_on_the_same_hardware_is_the_same_machine(self):
        runs = [
            one_run(factory.record(CPU_CASE), on=factory.machine(torch=version), started=f"2026-01-0{day}")
            for day, version in ((1, "2.11.0"), (2, "2.12.0"))
        ]
        assert only(pool(runs).results).machine.torch == "2.12.0"

    def test_records_of_other_hardware_and_other_cases_count_too(self):
        runs = [one_run(factory.record(CPU_CASE)), one_run(factory.record(CPU_CASE), on=NO_GPU)]
        runs.append(one_run(factory.record(replace(CPU_CASE, seed=1))))
        pooled = pool(runs)
        assert (len(pooled.results), pooled.older) == (3, 0)

    @given(st.randoms(use_true_random=False), st.lists(st.integers(0, 3), min_size=1, max_size=8))
    def test_every_record_is_in_the_pool_or_counted_as_older(self, shuffle: random.Random, batches):
        runs = [
            one_run(factory.record(Case("w", batch_size=b + 1)), started=f"2026-01-{day + 1:02d}")
            for day, b in enumerate(batches)
        ]
        shuffle.shuffle(runs)
        pooled = pool(runs)
        assert len(pooled.results) == len(set(batches))
        assert len(pooled.results) + pooled.older == len(batches)


class TestMatched:
    def test_ratio_is_cpu_time_over_gpu_time_per_unit_with_the_intervals_joined(self):
        cpu, gpu = factory.record(CPU_CASE, 8e-3, units=64), factory.record(GPU_CASE, 1e-3, units=32)
        row = only(only(curves(pool([one_run(cpu, gpu)]))).rows)
        assert row.ratio == pytest.approx(cpu.per_unit / gpu.per_unit) == pytest.approx(4.0)
        of_cpu, of_gpu = (Result(record, factory.run().info).interval for record in (cpu, gpu))
        assert of_cpu == pytest.approx([end / 64 for end in cpu.timing.interval or ()])
        assert of_cpu is not None
        assert of_gpu is not None
        assert row.interval == pytest.approx(ratio_interval(cpu.per_unit, of_cpu, gpu.per_unit, of_gpu))
        assert (row.verdict, row.across_machines) == (Verdict.FASTER, False)
        assert (row.base.record.threads, row.base.record.device_model) == (16, "Synthetic CPU")
        assert row.contender.record.device_model == "Synthetic GPU"
        assert "the work of a call differs" in row.notes

    def test_batch_of_one_side_only_is_missing(self):
        records = [factory.record(replace(CPU_CASE, batch_size=b)) for b in (1, 8)]
        records += [factory.record(replace(GPU_CASE, batch_size=b)) for b in (8, 64)]
        curve = only(curves(pool([one_run(*records)])))
        assert [row.case.batch_size for row in curve.rows] == [1, 8, 64]
        assert [row.verdict is Verdict.MISSING for row in curve.rows] == [True, False, True]
        assert [row.case.batch_size for row in curve.measured] == [8]

    def test_ratio_without_an_interval_is_unclear_however_large(self):
        run = one_run(factory.record(CPU_CASE, 1.0, count=3), factory.record(GPU_CASE, 1e-3))
        row = only(only(curves(pool([run]))).rows)
        assert row.ratio == pytest.approx(1000)
        assert (row.interval, row.verdict) == (None, Verdict.UNCLEAR)

    def test_intervals_of_different_confidence_are_not_joined(self):
        cpu = factory.record(CPU_CASE, timing=factory.timing(1.0, confidence=0.99))
        row = only(only(curves(pool([one_run(cpu, factory.record(GPU_CASE))]))).rows)
        assert row.interval is None
        assert "no interval: confidence 0.99 against 0.95" in row.notes

    @pytest.mark.parametrize(
        "change",
        [{"threads": 1}, {"threads": 8}, {"dtype": "bf16"}, {"variant": "compile"}, {"setting": "k3"}, {"seed": 1}],
    )
    def test_case_that_differs_is_not_the_counterpart(self, change):
        run = one_run(factory.record(replace(CPU_CASE, **change)), factory.record(GPU_CASE))
        assert only(only(curves(pool([run]))).rows).verdict is Verdict.MISSING

    def test_tf32_is_matched_with_fp32_and_noted(self):
        run = one_run(factory.record(CPU_CASE), factory.record(replace(GPU_CASE, dtype="tf32")))
        row = only(only(curves(pool([run]))).rows)
        assert row.ratio is not None
        assert row.notes == ("tf32 on the GPU against fp32 on the CPU",)

    def test_cpu_of_another_machine_is_used_without_an_own_one_and_noted(self):
        gpu_run = one_run(factory.record(GPU_CASE))
        cpu_run = one_run(factory.record(CPU_CASE), on=NO_GPU)
        row = only(only(curves(pool([gpu_run, cpu_run]))).rows)
        assert row.across_machines
        assert row.notes[0] == f"across machines: {NO_GPU.label} against {factory.machine().label}"

    def test_own_machine_comes_first_and_a_curve_never_mixes_machines(self):
        own = one_run(
            factory.record(CPU_CASE), factory.record(GPU_CASE), factory.record(replace(GPU_CASE, batch_size=8))
        )
        other = one_run(
            factory.record(CPU_CASE, 5.0),
            factory.record(replace(CPU_CASE, batch_size=8), 5.0),
            on=NO_GPU,
            started="2026-02-01T00:00:00+00:00",
        )
        curve = only(curves(pool([own, other])))
        assert not any(row.across_machines for row in curve.rows)
        assert [row.verdict is Verdict.MISSING for row in curve.rows] == [True, False]

    def test_other_machine_with_most_batches_in_common_is_used(self):
        gpu = one_run(*(factory.record(replace(GPU_CASE, batch_size=b)) for b in (8, 64)))
        more = one_run(*(factory.record(replace(CPU_CASE, batch_size=b)) for b in (8, 64)), on=NO_GPU)
        newer = one_run(factory.record(CPU_CASE), on=factory.machine(gpu=False, cpu="Another"), started="2027-01-01")
        curve = only(curves(pool([gpu, more, newer])))
        assert {row.base.machine.cpu for row in curve.rows} == {"Synthetic CPU"}

    def test_different_software_and_data_are_noted(self):
        elsewhere = factory.machine(gpu=False, torch="2.12.0")
        cpu = one_run(factory.record(CPU_CASE, data="real MNIST"), on=elsewhere)
        row = only(only(curves(pool([cpu, one_run(factory.record(GPU_CASE))]))).rows)
        assert row.across_machines
        assert row.notes[1:] == ("torch 2.12.0 against 2.11.0", "input data differ: real MNIST against digits stand-in")

    def test_torch_versions_are_never_mixed_on_one_machine(self):
        old = one_run(*(factory.record(replace(CPU_CASE, batch_size=b)) for b in (1, 8)), on=factory.machine())
        new = one_run(factory.record(CPU_CASE), on=factory.machine(torch="2.15.0"), started="2027-01-01")
        pooled = pool([new, old])
        assert [result.machine.torch for result in pooled.results] == ["2.15.0"]
        assert (pooled.older, pooled.other_software) == (0, 2)

    def test_hot_and_cold_caches_are_different_cases(self):
        cold = replace(CPU_CASE, caches="cold")
        pooled = pool([one_run(factory.record(CPU_CASE), factory.record(cold))])
        assert len(pooled.results) == 2

    def test_curve_has_a_first_winning_batch_a_peak_and_a_crossover(self):
        curve = only(curves(pool([factory.run()])))
        assert [row.verdict.value for row in curve.rows] == ["SLOWER", "SLOWER", "FASTER", "FASTER", "FASTER"]
        assert curve.from_batch == 64
        assert curve.peak.case.batch_size == 4096
        assert curve.crossover.word == "crossover"
        assert 8 < curve.crossover.interval[0] < curve.crossover.batch < curve.crossover.interval[1] < 64

    def test_contended_results_are_measured_but_not_judged(self):
        records = [
            factory.contended(r) if r.case.batch_size in (1, 4096) and r.case.device != "cpu" else r
            for r in factory.sweep()
        ]
        curve = only(curves(pool([factory.run(records)])))
        assert [row.verdict.value for row in curve.rows] == ["UNCLEAR", "SLOWER", "FASTER", "FASTER", "UNCLEAR"]
        assert [row.not_judged for row in curve.rows if row.contended] == [
            "not judged: GPU measured beside other work"
        ] * 2
        assert [row.case.batch_size for row in curve.judged] == [8, 64, 512]
        assert curve.from_batch == 64
        assert curve.peak.case.batch_size == 512
        clean = only(curves(pool([factory.run(factory.sweep(batches=(8, 64, 512)))])))
        assert curve.crossover == clean.crossover

    def test_crossover_that_would_bridge_contended_results_is_not_judged(self):
        records = [factory.contended(r) if r.case.batch_size in (8, 64) else r for r in factory.sweep()]
        found = only(curves(pool([factory.run(records)]))).crossover
        assert (found.word, found.batch) == ("not judged", None)
        assert found.note.startswith(
            "R crosses 1 between batch sizes 1 and 512, and those between were measured beside"
        )

    def test_crossover_of_contended_results_is_not_judged(self):
        records = [factory.contended(r) if r.case.batch_size > 1 else r for r in factory.sweep()]
        curve = only(curves(pool([factory.run(records)])))
        assert (curve.crossover.word, curve.crossover.batch, curve.from_batch) == ("not judged", None, None)

    def test_runs_without_a_gpu_have_no_curve(self):
        assert curves(pool([factory.run(on=NO_GPU)])) == ()
        assert best_against_best(pool([factory.run(on=NO_GPU)])) == ()


class TestBestAgainstBest:
    def test_each_side_chooses_batch_variant_and_threads(self):
        run = one_run(
            factory.record(replace(CPU_CASE, batch_size=8), 8e-3),
            factory.record(replace(CPU_CASE, batch_size=16, threads=1), 8e-3),
            factory.record(GPU_CASE, 6.4e-3),
            factory.record(replace(GPU_CASE, batch_size=512, variant="compile"), 5.12e-3),
        )
        row = only(best_against_best(pool([run])))
        assert row.kind == "best against best"
        assert (row.base.case.batch_size, row.base.case.threads) == (16, 1)
        assert (row.contender.case.batch_size, row.contender.case.variant) == (512, "compile")
        assert row.ratio == pytest.approx(50.0)

    def test_contended_result_is_the_best_only_if_there_is_no_other(self):
        slow, quick = replace(CPU_CASE, batch_size=8), replace(CPU_CASE, batch_size=16)
        busy = factory.contended(factory.record(quick, 1e-9))
        row = only(best_against_best(pool([one_run(factory.record(slow, 8e-3), busy, factory.record(GPU_CASE))])))
        assert (case_of(row.base), row.contended) == (slow, False)
        row = only(best_against_best(pool([one_run(busy, factory.record(GPU_CASE))])))
        assert (case_of(row.base), row.verdict) == (quick, Verdict.UNCLEAR)
        assert row.not_judged == "not judged: CPU measured beside other work"

    def test_dtypes_and_settings_are_compared_separately(self):
        cases = [
            (device, dtype, setting) for device in ("cpu", "cuda") for dtype in ("fp32", "bf16") for setting in "ab"
        ]
        run = one_run(*(factory.record(Case("w", device=d, dtype=t, setting=s)) for d, t, s in cases))
        rows = best_against_best(pool([run]))
        assert len(rows) == 4
        assert [case_of(row.base) for row in rows] == [replace(row.case, device="cpu") for row in rows]

    def test_numbers_cast_in_each_call_are_no_match_for_stored_ones(self):
        half = replace(CPU_CASE, dtype="bf16")
        run = one_run(
            factory.record(half, 4e-3),
            factory.record(replace(half, variant="autocast"), 1e-3),
            factory.record(replace(half, device="cuda"), 1e-4),
        )
        row = only(best_against_best(pool([run])))
        assert (row.base.case.variant, row.contender.case.variant) == ("eager", "eager")
        assert only(curves(pool([run]))).rows[0].base.case.variant == "eager"

    def test_gpu_without_a_cpu_result_is_missing(self):
        assert only(best_against_best(pool([one_run(factory.record(GPU_CASE))]))).verdict is Verdict.MISSING


class TestThreads:
    def test_one_thread_is_the_base(self):
        run = one_run(factory.record(CPU_CASE, 1e-3), factory.record(replace(CPU_CASE, threads=1), 4e-3))
        row = only(threads(pool([run])))
        assert row.ratio == pytest.approx(4.0)
        assert (row.base.record.threads, row.contender.record.threads, row.verdict) == (1, 16, Verdict.FASTER)

    def test_contended_side_is_not_judged(self):
        alone = factory.contended(factory.record(replace(CPU_CASE, threads=1), 4e-3))
        row = only(threads(pool([one_run(factory.record(CPU_CASE, 1e-3), alone)])))
        assert (row.verdict, row.not_judged) == (
            Verdict.UNCLEAR, "not judged: one thread measured beside other work",
        )  # fmt: skip

    def test_threads_are_compared_within_a_machine_only(self):
        runs = [one_run(factory.record(replace(CPU_CASE, threads=1))), one_run(factory.record(CPU_CASE), on=NO_GPU)]
        assert only(threads(pool(runs))).verdict is Verdict.MISSING


class TestVariants:
    GRAPH = replace(GPU_CASE, variant="cuda_graph")

    def test_other_dtypes_and_variants_are_compared_with_eager_fp32_on_the_same_device(self):
        run = one_run(
            factory.record(CPU_CASE, 8e-3),
            factory.record(GPU_CASE, 4e-3),
            factory.record(self.GRAPH, 1e-3),
            factory.record(replace(GPU_CASE, dtype="bf16", variant="compile"), 2e-3),
        )
        graph, bf16 = variant_comparisons(pool([run]))
        assert (graph.kind, case_of(graph.base), case_of(graph.contender)) == ("variants", GPU_CASE, self.GRAPH)
        assert graph.ratio == pytest.approx(4.0)
        assert graph.verdict is Verdict.FASTER
        assert bf16.ratio == pytest.approx(2.0)
        assert graph.notes == bf16.notes == ()

    def test_only_batches_with_both_variants_count(self):
        other = replace(self.GRAPH, batch_size=7)
        assert variant_comparisons(pool([one_run(factory.record(GPU_CASE), factory.record(other))])) == ()
        assert variant_comparisons(pool([one_run(factory.record(self.GRAPH))])) == ()

    def test_cuda_graph_is_matched_with_the_cpu_in_eager_mode_and_noted(self):
        joined = replace(GPU_CASE, variant="channels_last+cuda_graph")
        on_cpu = replace(CPU_CASE, variant="channels_last")
        cases = (CPU_CASE, on_cpu, self.GRAPH, joined)
        plain, last = (c.rows[0] for c in curves(pool([one_run(*map(factory.record, cases))])))
        assert (case_of(plain.base), case_of(last.base)) == (CPU_CASE, on_cpu)
        assert plain.notes == ("cuda_graph on the GPU against eager on the CPU",)


def test_comparisons_import_neither_torch_nor_matplotlib():
    code = "import sys, bench_core.analysis.speedup; print({'torch', 'matplotlib', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=60, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "set()\n"), done.stderr


def test_crossover_of_known_costs_is_where_they_are_equal():
    costs = {"cpu": Cost(0.0, 1e-6), "cuda": Cost(1e-4, 0.0)}
    curve = only(curves(pool([factory.run(factory.sweep(costs=costs, one_thread_at=None))])))
    assert curve.crossover.batch == pytest.approx(100.0, rel=0.1)
