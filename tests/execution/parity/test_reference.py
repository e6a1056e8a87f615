"""The float64 reference: computed once, stored under all that it depends on, and how it reacts to rounding."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bench_core import Case, workloads
from bench_core.core.case import Sources
from bench_core.execution.parity import reference as module
from bench_core.execution.parity.capture import OUTPUTS
from bench_core.execution.parity.reference import Reference, modules_of, reference

pytestmark = pytest.mark.usefixtures("one_cache", "one_thread")

GEMM = workloads.get("gemm")
# Every workload is built with these, so their source decides what it computes.
ALWAYS = (
    *("hardware.precision", "workloads.kit.compiling", "workloads.kit.context", "workloads.kit.graphs"),
    *("workloads.kit.tuning", "workloads.kit.weights"),
)


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder in which references are stored, at first missing."""
    monkeypatch.setenv("BENCH_CORE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "references"


def test_reference_is_computed_once_for_all_devices_dtypes_and_variants(
    stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    w, case = workloads.get("conv2d_grid"), Case("conv2d_grid", batch_size=1)
    first = reference(w, case)
    assert len(list(stored.iterdir())) == 1
    monkeypatch.setattr(module, "build_anywhere", lambda *_, **__: pytest.fail("computed again"))
    again = reference(w, replace(case, device="cuda", dtype="bf16", variant="channels_last"))
    assert replace(again, values={}) == replace(first, values={})
    assert again.values.keys() == first.values.keys()
    assert (again.values[OUTPUTS] == first.values[OUTPUTS]).all()


def test_reference_of_a_training_is_read_as_it_was_stored(stored: Path) -> None:
    w, case = workloads.get("gan_step"), Case("gan_step", batch_size=2)
    first, again = reference(w, case), reference(w, case)
    assert len(list(stored.iterdir())) == 1
    assert again.values.keys() == first.values.keys()
    assert len(first.values) == 5
    assert all((again.values[quantity] == value).all() for quantity, value in first.values.items())
    assert replace(again, values={}) == replace(first, values={})
    assert {str(quantity) for quantity in first.replayed} == {"update of generator", "update of discriminator"}
    assert all(words.startswith("SGD [") for words in first.optimizers.values())
    assert first.sums.products == 1280


def test_damaged_file_is_computed_anew(stored: Path) -> None:
    case = Case("gemm", batch_size=64)
    first = reference(GEMM, case)
    (file,) = stored.iterdir()
    file.write_bytes(file.read_bytes()[:500])
    assert reference(GEMM, case).moved == first.moved


def test_reference_needs_no_writable_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CORE_CACHE", "/proc/nowhere")
    assert reference(GEMM, Case("gemm", batch_size=4)).values[OUTPUTS].size == 16


class TestWhatTheNameDependsOn:
    """A reference is computed anew, and stored under another name, where anything it depends on changes."""

    CASE = Case("gemm", batch_size=4)

    @pytest.fixture
    def data(self, tmp_path: Path) -> Path:
        folder = tmp_path / "data"
        folder.mkdir()
        (folder / "file").write_text("a")
        return folder

    def count(self, stored: Path, case: Case, data: Path) -> int:
        """The number of stored references once this one is."""
        reference(GEMM, case, Sources(data=data))
        return len(list(stored.iterdir()))

    def test_nothing_changes(self, stored: Path, data: Path) -> None:
        assert [self.count(stored, self.CASE, data) for _ in range(2)] == [1, 1]

    @pytest.mark.parametrize("changes", [{"seed": 1}, {"batch_size": 5}])
    def test_case_changes(self, changes: dict[str, int], stored: Path, data: Path) -> None:
        assert self.count(stored, self.CASE, data) == 1
        assert self.count(stored, replace(self.CASE, **changes), data) == 2

    def test_setting_changes(self, stored: Path) -> None:
        w = workloads.get("activations_losses")
        for setting in ("relu", "tanh"):
            reference(w, Case(w.name, batch_size=4096, setting=setting))
        assert len(list(stored.iterdir())) == 2

    def test_data_change(self, stored: Path, data: Path) -> None:
        assert self.count(stored, self.CASE, data) == 1
        (data / "file").write_text("ab")
        assert self.count(stored, self.CASE, data) == 2

    @pytest.mark.parametrize("library", [torch, np])
    def test_library_changes(self, library: object, stored: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.count(stored, self.CASE, data) == 1
        monkeypatch.setattr(library, "__version__", "9.99")
        assert self.count(stored, self.CASE, data) == 2

    @pytest.mark.parametrize("name", ["workloads.dense.gemm", *ALWAYS])
    def test_source_changes(
        self, name: str, stored: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert self.count(stored, self.CASE, data) == 1
        self.change_source(name, tmp_path, monkeypatch)
        assert self.count(stored, self.CASE, data) == 2

    @pytest.mark.parametrize("name", ["workloads.dense.mlp", "workloads.kit.catalog", "core.text"])
    def test_source_of_something_else_changes(
        self, name: str, stored: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert self.count(stored, self.CASE, data) == 1
        self.change_source(name, tmp_path, monkeypatch)
        assert self.count(stored, self.CASE, data) == 1

    def change_source(self, name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        changed = importlib.import_module(f"bench_core.{name}")
        copy = folder / "changed.py"
        copy.write_bytes(Path(str(changed.__file__)).read_bytes() + b"#")
        monkeypatch.setattr(changed, "__file__", str(copy))


class TestModules:
    """The modules whose source decides what a workload computes."""

    @pytest.mark.parametrize("name", workloads.names())
    def test_workload_depends_on_its_own_module_and_the_kit(self, name: str) -> None:
        w = workloads.get(name)
        names = [m.__name__ for m in modules_of(w)]
        assert {w.build.__module__, *(f"bench_core.{part}" for part in ALWAYS)} <= set(names)
        assert names == sorted(set(names))

    @pytest.mark.parametrize(
        ("name", "parts"),
        [
            ("arma_css_fit", ("series.css", "series.recursion")),
            ("lstm_ar_train", ("data.series",)),
            ("pix2pix256_step", ("adversarial.game", "data.photos")),
            ("resnet50_infer", ("vision.resnet", "data.photo_batches", "data.photos")),
            ("mnist_epoch_e2e", ("dense.mlp", "data.digits")),
            ("segmentation_pipeline", ("vision.segmentation", "vision.resnet50", "data.photo_batches")),
        ],
    )
    def test_workload_depends_on_what_its_module_uses(self, name: str, parts: tuple[str, ...]) -> None:
        names = {m.__name__ for m in modules_of(workloads.get(name))}
        assert {f"bench_core.workloads.{part}" for part in parts} <= names

    def test_workload_does_not_depend_on_other_workloads_or_layers(self) -> None:
        names = {m.__name__ for m in modules_of(GEMM)}
        families = {name for name in names if name.startswith("bench_core.workloads.") and ".kit" not in name}
        assert families == {"bench_core.workloads.dense.gemm"}
        assert all(name.startswith(("bench_core.workloads.", "bench_core.hardware.")) for name in names)


class TestSensitivity:
    def test_results_of_smooth_work_move_with_the_roundoff_and_others_with_its_root(self) -> None:
        smooth = Reference({}, (), 0, (8, 16), {OUTPUTS: (2.0**-8, 2.0**-16)})
        jumpy = Reference({}, (), 0, (8, 16), {OUTPUTS: (2.0**-4, 2.0**-8)})
        for bits in (8, 11, 24):
            assert smooth.sensitivity(OUTPUTS, 2.0**-bits) == pytest.approx(2.0**-bits)
            assert jumpy.sensitivity(OUTPUTS, 2.0**-bits) == pytest.approx(2.0 ** (-bits / 2))

    def test_one_jump_is_allowed_for_where_one_may_happen(self) -> None:
        def jump(count: int) -> float:
            return Reference({}, (), count, (8, 16), {OUTPUTS: (0.1, 0.01)}).jump(OUTPUTS, 2.0**-24)

        assert jump(1000) == 0.0
        assert jump(2**20) == pytest.approx(0.1 / 64), "of 4,096 jumps at 8 bits"
        assert jump(2**26) == pytest.approx(0.1 / 512 * 2), "of four jumps"

    @pytest.mark.parametrize("moved", [(2.0**-8, 2.0**-12, 1e-9), (1e-9, 2.0**-12, 2.0**-16), (2.0**-8, 0.0, 0.0)])
    def test_one_rounding_that_happens_to_change_nothing_does_not_mislead(self, moved: tuple[float, ...]) -> None:
        lucky = Reference({}, (), 0, (8, 12, 16), {OUTPUTS: moved})
        assert lucky.sensitivity(OUTPUTS, 2.0**-24) >= 0.99 * 2.0**-24
