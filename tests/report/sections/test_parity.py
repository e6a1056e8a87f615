"""The section on parity."""

from dataclasses import replace

from bench_core.core.case import Case
from bench_core.core.results import Parity
from bench_core.report.content import analyze, content
from bench_core.report.sections.parity import NAME
from tests.support import factory


def rows(*parities):
    records = [
        replace(factory.record(Case("gemm", batch_size=batch)), parity=parity)
        for batch, parity in enumerate(parities, 1)
    ]
    shown = content(analyze([factory.run(records)]))
    (study,) = [study for study in shown.studies if study.name == NAME]
    (table,) = study.tables
    return [dict(zip(table.headings, row, strict=True)) for row in table.rows]


def parity(tolerance, inconclusive=()):
    return Parity("outputs", tolerance / 2, tolerance, {"outputs": tolerance / 2}, inconclusive, 1, 0.1)


def test_what_could_not_be_judged_is_unchecked():
    (row,) = rows(parity(1e-3, ("gradients of model",)), parity(1e-3))
    assert row["Unchecked"] == "gradients of model"


def test_a_tolerance_that_checks_nothing_is_unchecked():
    (row,) = rows(parity(0.7))
    assert row["Unchecked"] == "outputs"


def test_where_all_is_checked_there_is_no_such_column():
    (row,) = rows(parity(1e-3))
    assert "Unchecked" not in row
