"""The result of a gate as JUnit XML, which CI systems show as tests."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from bench_core.analysis.comparison import Verdict
from bench_core.analysis.gate.result import GateResult
from bench_core.analysis.gate.verdicts import CaseVerdict
from bench_core.core import text
from bench_core.report.gate import words

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_junit(result: GateResult) -> str:
    """A suite with a test for each case: SLOWER fails, MISSING and UNCLEAR are skipped."""
    skipped = sum(case.verdict in (Verdict.MISSING, Verdict.UNCLEAR) for case in result.cases)
    suite = ElementTree.Element(
        "testsuite",
        name="bench-core gate",
        tests=str(len(result.cases)),
        failures=str(result.counts.get(Verdict.SLOWER, 0)),
        skipped=str(skipped),
        errors="0",
        time=f"{result.seconds:.1f}",
    )
    for case in result.ordered:
        _add(suite, case)
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _add(suite: ElementTree.Element, case: CaseVerdict) -> None:
    classname = case.id.partition("::")[0].removesuffix(".py").replace("/", ".")
    seconds = f"{case.time.head:.9f}" if case.time else "0"
    test = ElementTree.SubElement(suite, "testcase", classname=_clean(classname), name=_clean(case.name), time=seconds)
    figures = f"{text.change(case.time.ratio)} ({words.interval(case.time)})" if case.time else ""
    message = _clean(". ".join(filter(None, (str(case.verdict), figures, words.remark(case)))))
    if case.verdict is Verdict.SLOWER:
        ElementTree.SubElement(test, "failure", message=message, type="SLOWER")
    elif case.verdict in (Verdict.MISSING, Verdict.UNCLEAR):
        ElementTree.SubElement(test, "skipped", message=message)


def _clean(words_: str) -> str:
    """Without the characters that XML does not allow."""
    return _NOT_XML.sub("?", words_)
