"""What `kgents dev` prints of a reload: a line for people, or JSON for programs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kgents_cli.hot_reload.outcomes import Outcome, State

NOW = datetime(2026, 11, 21, 9, 30, 5, 120_000, UTC)
FILE = Path("agents/a.toml")
CHANGES: list[dict[str, Any]] = [{"loc": ["llm", "model"]}, {"loc": ["system_prompt"]}]


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Outcome(FILE, State.CREATED, "a", 1, 0.311), "a  is new: version 1 answers after 0.31 s"),
        (
            Outcome(FILE, State.RELOADED, "a", 2, 0.1, CHANGES),
            "a  version 2 answers after 0.10 s (llm.model, system_prompt)",
        ),
        (Outcome(FILE, State.UNCHANGED, "a", 2, 0.01), "a  version 2 answers, nothing changed"),
        (
            Outcome(FILE, State.REFUSED, "a", 2, message="It has a fault:"),
            "a  not taken up, version 2 goes on: It has a fault:",
        ),
        (Outcome(FILE, State.REFUSED, message="No."), "agents/a.toml  not taken up, nothing of it runs: No."),
        (
            Outcome(FILE, State.ROLLED_BACK, "a", 2, message="a version 3 does not start"),
            "a  a version 3 does not start; version 2 runs again",
        ),
        (Outcome(FILE, State.FAILED, "a", message="a version 1 does not start"), "a  a version 1 does not start"),
        (Outcome(FILE, State.WAITING, "a", message="no server answers"), "a  no server answers"),
        (Outcome(FILE, State.GONE, "a"), "a  agents/a.toml is gone; its agent goes on until you delete it"),
        (Outcome(FILE, State.WAITING, "a", message="\x1b[2J"), "a  \\x1b[2J"),
    ],
)
def test_each_outcome_is_a_sentence(outcome: Outcome, words: str):
    assert list(outcome.as_lines(NOW)) == [f"09:30:05  {words}"]


def test_the_faults_follow_below_the_line():
    outcome = Outcome(FILE, State.REFUSED, "a", message="It has faults:", faults=("a.toml:1:2: x", "\x1b"))
    assert list(outcome.as_lines(NOW))[1:] == ["          a.toml:1:2: x", "          \\x1b"]


def test_a_program_gets_one_object_with_everything():
    outcome = Outcome(FILE, State.RELOADED, "a", 2, 0.12345, CHANGES)
    assert json.loads(outcome.as_json(NOW)) == {
        "at": "2026-11-21T09:30:05.120+00:00",
        "file": "agents/a.toml",
        "agent": "a",
        "state": "reloaded",
        "version": 2,
        "seconds": 0.123,
        "changes": CHANGES,
        "message": "",
        "faults": [],
    }
