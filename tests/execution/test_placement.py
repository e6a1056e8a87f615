"""Where a run is stored, from pytest-benchmark's options."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from bench_core.core.errors import OptionError, StorageError
from bench_core.execution.placement import DEFAULT_STORAGE, place_storage
from tests.support import factory


def options(**changes):
    """The options of pytest-benchmark that matter here, by default as it sets them."""
    given = {"storage": DEFAULT_STORAGE, "save": None, "autosave": False, "compare": None, "json": None} | changes
    return SimpleNamespace(**{f"benchmark_{name}": value for name, value in given.items()})


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to run in, on the synthetic machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bench_core.hardware.machine.fingerprint", factory.machine)
    return tmp_path


@pytest.fixture
def on_an_emulated_gpu(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    emulated = factory.machine(emulated=True)
    monkeypatch.setattr("bench_core.hardware.machine.fingerprint", lambda: emulated)


@pytest.mark.parametrize(
    "saves", [{"save": "name"}, {"autosave": True}, {"compare": "0001"}], ids=lambda s: next(iter(s))
)
def test_a_run_that_saves_or_compares_has_a_folder_of_this_machine(checkout, saves):
    option = options(**saves)
    place_storage(option, checkout / "results", checkout)
    assert option.benchmark_storage == f"file://{checkout / 'results' / factory.machine().slug}"


def test_a_run_that_saves_nothing_creates_no_folder(checkout):
    option = options()
    place_storage(option, checkout / "results", checkout)
    assert option.benchmark_storage == f"file://{checkout / 'results'}"
    assert list(checkout.iterdir()) == []


def test_a_storage_that_the_user_names_stays(checkout):
    option = options(storage=f"file://{checkout}/mine", autosave=True)
    place_storage(option, checkout / "results", checkout)
    assert option.benchmark_storage == f"file://{checkout}/mine"
    assert [path.name for path in checkout.iterdir()] == ["mine"]


def test_a_storage_on_a_server_is_not_checked_as_a_folder(checkout):
    option = options(storage="elasticsearch+http://localhost:9200", autosave=True)
    place_storage(option, checkout / "results", checkout)
    assert list(checkout.iterdir()) == []


def test_comparing_from_another_folder_is_refused_with_the_command_that_helps(checkout, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    with pytest.raises(OptionError, match=f"--benchmark-compare .*; cd {checkout}$"):
        place_storage(options(compare="0001"), checkout / "results", checkout)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        pytest.param({"storage": "file:///proc/nowhere", "autosave": True}, "--benchmark-storage", id="storage"),
        pytest.param({"json": "/proc/nowhere/a.json"}, "--benchmark-json", id="json"),
    ],
)
def test_a_folder_that_cannot_be_written_is_refused_with_its_option(checkout, changes, name):
    with pytest.raises(StorageError, match=f"/proc/nowhere.*name another with {name}$"):
        place_storage(options(**changes), checkout / "results", checkout)


@pytest.mark.usefixtures("on_an_emulated_gpu")
def test_times_on_an_emulated_gpu_are_never_stored_among_the_results(checkout):
    with pytest.raises(OptionError, match="name another folder with --benchmark-storage"):
        place_storage(options(autosave=True), checkout / "results", checkout)
    assert not (checkout / "results").exists()


@pytest.mark.usefixtures("on_an_emulated_gpu")
def test_times_on_an_emulated_gpu_are_stored_where_the_user_names_a_folder(checkout):
    place_storage(options(storage=f"file://{checkout / 'elsewhere'}", autosave=True), checkout / "results", checkout)
    assert [path.name for path in checkout.iterdir()] == ["elsewhere"]
