"""Outcomes as a JUnit file, the one that CI servers read."""

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from kgents_cli.agent_tests.outcomes import CaseOutcome, FileOutcome

# What XML 1.0 has no way to write (§2.2).
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(path: Path, outcomes: Sequence[FileOutcome]) -> None:
    """Write a `testsuite` for each file and a `testcase` for each case."""
    every = [case for outcome in outcomes for case in outcome.cases]
    root = Element("testsuites", {"name": "kgents test-agent", **_counts(every)})
    for outcome in outcomes:
        suite = SubElement(root, "testsuite", {"name": _xml(str(outcome.file)), **_counts(outcome.cases)})
        for case in outcome.cases:
            _add_case(suite, outcome.agent, case)
    indent(root)
    ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _counts(cases: Sequence[CaseOutcome]) -> dict[str, str]:
    return {
        "tests": str(len(cases)),
        "failures": str(sum(case.status == "failed" for case in cases)),
        "errors": "0",
        "skipped": str(sum(case.status == "skipped" for case in cases)),
        "time": _seconds(sum(case.seconds for case in cases)),
    }


def _add_case(suite: Element, agent: str, case: CaseOutcome) -> None:
    element = SubElement(suite, "testcase", classname=agent, name=_xml(case.name), time=_seconds(case.seconds))
    if case.status == "skipped":
        SubElement(element, "skipped", message="needs a real model: --real")
    if case.failures:
        first, more = case.failures[0], len(case.failures) - 1
        message = f"{first}{f' (and {more} more)' if more else ''}"
        failure = SubElement(element, "failure", message=_xml(message), type=first.expectation)
        failure.text = _xml("\n".join(str(one) for one in case.failures))
    if case.transcript:
        SubElement(element, "system-out").text = _xml("\n".join(case.transcript))


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
