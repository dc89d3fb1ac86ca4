"""`kgents test-agent`: files, faults, reports, exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from cli.tests.conftest import Kgents
from kgents_cli.agent_tests.loading import load_job
from kgents_cli.faults import BadInput
from kgents_shared.contracts.agent_spec import AgentSpec

from .conftest import WriteScenarios

GOOD = '[[case]]\nname = "greets"\n[[case.turn]]\nuser = "Hi"\nreplies = ["Hello"]\n'
BAD = (
    '[[case]]\nname = "greets Bob"\n[[case.turn]]\nuser = "Hi"\nreplies = ["Hel\\u0001lo"]\nexpect.contains = ["Bob"]\n'
)
REAL = '[[case]]\nname = "for real"\nmodel = "real"\n[[case.turn]]\nuser = "Hi"\n'


def test_passing_cases_are_listed_and_the_exit_code_is_0(kgents: Kgents, write_scenarios: WriteScenarios):
    file = write_scenarios(GOOD)
    ran = kgents("test-agent", str(file))
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"{file} (agent clerk)\n  passed   greets  ")
    assert ran.out.endswith("1 passed\n")


def test_a_failed_case_shows_what_was_expected_and_said(kgents: Kgents, write_scenarios: WriteScenarios):
    ran = kgents("test-agent", str(write_scenarios(GOOD + BAD)))
    assert ran.code == 1
    assert 'turn 1: contains: "Bob" is not in the answer: "Hel\\u0001lo"' in ran.out
    assert "| user: Hi\n" in ran.out
    assert "| agent: Hel\\x01lo\n" in ran.out
    assert ran.out.endswith("1 passed, 1 failed\n")


def test_verbose_shows_the_transcript_of_passed_cases(kgents: Kgents, write_scenarios: WriteScenarios):
    file = str(write_scenarios(GOOD))
    assert "| agent: Hello" in kgents("test-agent", file, "--verbose").out
    assert "| agent: Hello" not in kgents("test-agent", file).out


def test_json_has_every_case_with_its_failures(kgents: Kgents, write_scenarios: WriteScenarios):
    ran = kgents("test-agent", str(write_scenarios(GOOD + BAD + REAL)), "--json")
    assert {key: ran.json[key] for key in ("passed", "failed", "skipped")} == {"passed": 1, "failed": 1, "skipped": 1}
    [file] = ran.json["files"]
    assert [case["status"] for case in file["cases"]] == ["passed", "failed", "skipped"]
    assert file["cases"][1]["failures"][0]["expectation"] == "contains"


def test_the_junit_file_is_what_ci_servers_read(kgents: Kgents, write_scenarios: WriteScenarios, tmp_path: Path):
    report = tmp_path / "report.xml"
    assert kgents("test-agent", str(write_scenarios(GOOD + BAD + REAL)), "--junit", str(report)).code == 1
    suites = ET.parse(report).getroot()  # noqa: S314 - the file is ours
    [suite] = suites
    assert (suites.tag, suite.tag) == ("testsuites", "testsuite")
    for one in (suites, suite):
        counts = {key: one.attrib[key] for key in ("tests", "failures", "errors", "skipped")}
        assert counts == {"tests": "3", "failures": "1", "errors": "0", "skipped": "1"}
    passed, failed, skipped = suite
    assert passed.attrib.keys() == {"classname", "name", "time"}
    assert passed.find("failure") is None
    failure = failed.find("failure")
    assert failure is not None
    assert "contains" in failure.attrib["message"]
    assert (failed.findtext("system-out") or "").endswith("agent: Hel\ufffdlo")
    assert skipped.find("skipped") is not None


def test_another_agent_can_be_tested(kgents: Kgents, write_scenarios: WriteScenarios, tmp_path: Path):
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"name": "other", "system_prompt": "x"}))
    ran = kgents("test-agent", str(write_scenarios(GOOD)), "--agent", str(other))
    assert "(agent other)" in ran.out


def test_several_files_are_one_report(kgents: Kgents, write_scenarios: WriteScenarios):
    file = str(write_scenarios(GOOD))
    assert kgents("test-agent", file, file).out.endswith("2 passed\n")


FAULTS = [
    ("[[case]]\nname = 1\n", ["case.0.name", "case.0.turn"]),
    (GOOD + 'replys = ["x"]\n', ['did you mean "replies"?']),
    (GOOD.replace('replies = ["Hello"]', ""), ['turn 1 needs replies, or the case model = "real"']),
    (REAL + 'replies = ["x"]\n', ["turn 1 scripts replies, and its model is real"]),
    (GOOD + GOOD, ['two cases are named "greets"']),
    (GOOD + 'expect.max_cost = "0.1"\n', ["max_cost needs [prices]"]),
    (GOOD + 'expect.matches = "("\n', ["is no regular expression"]),
    (GOOD + '[prices]\nprompt = "x"\ncompletion = "1"\n', ["must be an amount of US dollars"]),
    (GOOD.replace('"Hello"', "{}"), ["must have text, a call or calls"]),
    (GOOD.replace('"Hello"', "3"), ["should be a table of fields"]),
    (GOOD + '[[tool]]\nname = "a"\nresult = 1\nerror = "x"\n', ["must have one of result and error"]),
    (GOOD + '[[tool]]\nname = "a"\n', ['"answer" is required']),
    (GOOD + '[[tool]]\nname = "time.now"\nresult = 1\n', ['the tool "time.now" is mocked twice']),
    ("", ['"case" is required']),
    ("[[case]\n", ["scenarios.toml:14:7:"]),
]


@pytest.mark.parametrize(("text", "words"), FAULTS, ids=[words[0] for _, words in FAULTS])
def test_a_scenario_file_with_faults_is_refused_with_all_of_them(
    kgents: Kgents, write_scenarios: WriteScenarios, text: str, words: list[str]
):
    ran = kgents("test-agent", str(write_scenarios(text)))
    assert (ran.code, ran.out) == (2, "")
    for word in words:
        assert word in ran.err


def test_an_agent_with_faults_is_refused_at_its_place(kgents: Kgents, write_scenarios: WriteScenarios, tmp_path: Path):
    file = write_scenarios(GOOD, agent='name = "clerk"\nsystem_promt = "x"\n')
    ran = kgents("test-agent", str(file))
    assert ran.code == 2
    assert f"{tmp_path / 'agent.toml'}:2:1: system_promt" in ran.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("missing.toml",), "missing.toml: No such file or directory"),
        (("agent.toml",), "agent.toml is an agent's definition"),
        (("scenarios.toml", "--agent", "missing.toml"), "missing.toml: No such file or directory"),
        (("scenarios.toml", "--case", "nothing like it"), "no case has 'nothing like it' in its name"),
        ((), "Missing argument"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_cannot_be_run_is_bad_input(
    kgents: Kgents,
    write_scenarios: WriteScenarios,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    told: str,
):
    monkeypatch.chdir(write_scenarios(GOOD).parent)
    ran = kgents("test-agent", *words)
    assert ran.code == 2
    assert told in ran.err


def test_scenarios_that_name_no_agent_need_one(kgents: Kgents, write_scenarios: WriteScenarios, tmp_path: Path):
    file = str(write_scenarios(GOOD, head=""))
    ran = kgents("test-agent", file)
    assert ran.code == 2
    assert "names no agent" in ran.err
    assert kgents("test-agent", file, "--agent", str(tmp_path / "agent.toml")).code == 0


def test_an_agent_that_another_shell_runs_is_not_tested_here(write_scenarios: WriteScenarios):
    flow = AgentSpec.model_validate(
        {"name": "flow", "system_prompt": "x", "runtime": {"shell": "Langflow", "flow": f"sha256:{'0' * 64}"}}
    )
    with pytest.raises(BadInput, match="its shell is Langflow"):
        load_job(write_scenarios(GOOD), spec=flow)
