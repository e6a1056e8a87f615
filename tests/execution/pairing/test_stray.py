"""Code that a side of a gate must not load."""

import json
import sys
from importlib import import_module

import pytest

from bench_core.execution.pairing.stray import Watch


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A repository, and a folder of installed packages with a copy of its module."""
    repository, installed = tmp_path / "a repository", tmp_path / "installed"
    information = installed / "mine-1.dist-info"
    information.mkdir(parents=True)
    repository.mkdir()
    (installed / "module_of_mine.py").touch()
    (information / "METADATA").write_text("Name: mine\nVersion: 1\n")
    (information / "RECORD").write_text("module_of_mine.py,,\n")
    monkeypatch.syspath_prepend(installed)
    yield repository, information / "direct_url.json"
    sys.modules.pop("module_of_mine", None)


@pytest.mark.parametrize(
    ("information", "is_copy"),
    [({}, True), ({"editable": True}, False)],
)
def test_a_copy_of_the_repository_is_stray_unless_editable(project, information, is_copy):
    repository, origin = project
    origin.write_text(json.dumps({"url": repository.as_uri(), "dir_info": information}))
    watch = Watch(None, repository)
    assert watch.stray() is None
    module = import_module("module_of_mine")
    assert watch.stray() == (f"module_of_mine ({module.__file__})" if is_copy else None)
    assert Watch(None, repository.parent / "another").stray() is None


def test_a_module_from_the_folder_to_avoid_is_stray(project):
    repository, _ = project
    import_module("module_of_mine")
    assert Watch(repository, None).stray() is None
    assert "module_of_mine (" in str(Watch(repository.parent, None).stray())
