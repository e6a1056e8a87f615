"""Plots drawn in several processes are those of one, and what another process does not draw is drawn all the same."""

import sys

import pytest

from bench_core.report.content import analyze, content
from bench_core.report.plots import draw, saving
from tests.support import factory


@pytest.fixture(scope="module")
def plots():
    return content(analyze([factory.run()])).plots[:2]


@pytest.fixture(scope="module")
def alone(plots, tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    return saving.save_all(plots, folder), files(folder)


@pytest.fixture
def shared(monkeypatch):
    monkeypatch.setattr(saving, "SHARE", 1)
    monkeypatch.setattr(saving, "MOST", 2)
    monkeypatch.setattr(saving, "_cores", lambda: 2)


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.usefixtures("shared")
def test_two_processes_draw_the_same(plots, alone, tmp_path, monkeypatch):
    drawn, save = [], draw.save

    def counted(*job):
        drawn.append(job)
        save(*job)

    monkeypatch.setattr(draw, "save", counted)
    assert (saving.save_all(plots, tmp_path), files(tmp_path)) == alone
    assert 0 < len(drawn) < len(plots), "another process has drawn the others"


@pytest.mark.usefixtures("shared")
def test_what_another_process_does_not_draw_is_drawn_here(plots, alone, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert (saving.save_all(plots, tmp_path), files(tmp_path)) == alone
