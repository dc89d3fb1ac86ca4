"""Scenario files beside an agent's definition, run in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kgents_cli.agent_tests.loading import load_job
from kgents_cli.agent_tests.outcomes import CaseOutcome
from kgents_cli.agent_tests.running import Choice, run_jobs

AGENT = """
name = "clerk"
system_prompt = "You are {a} clerk."
[tools]
allow = ["time.*", "mail.*"]
deny = ["mail.delete"]
[limits]
max_steps = 3
"""
TOOLS = """
[[tool]]
name = "time.now"
description = "The time."
result = { at = "09:00" }
[[tool]]
name = "mail.send"
result = "sent"
[[tool]]
name = "mail.delete"
result = "deleted"
"""
WriteScenarios = Callable[..., Path]
RunCase = Callable[..., CaseOutcome]


@pytest.fixture
def write_scenarios(tmp_path: Path) -> WriteScenarios:
    """`write_scenarios(text)` → a scenario file beside its agent's definition."""

    def write(text: str, *, agent: str = AGENT, tools: str = TOOLS, head: str = 'agent = "agent.toml"\n') -> Path:
        (tmp_path / "agent.toml").write_text(agent)
        file = tmp_path / "scenarios.toml"
        file.write_text(f"{head}{tools}\n{text}")
        return file

    return write


@pytest.fixture
def run_case(write_scenarios: WriteScenarios) -> RunCase:
    """`run_case(turns)` → how the one case with these `[[case.turn]]`s ended."""

    def run(turns: str, choice: Choice | None = None, **files: str) -> CaseOutcome:
        file = write_scenarios(f'[[case]]\nname = "the case"\n{turns}', **files)
        [outcome] = run_jobs([load_job(file)], choice or Choice())
        [case] = outcome.cases
        return case

    return run
