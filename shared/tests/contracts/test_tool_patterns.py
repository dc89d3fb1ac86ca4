"""Which tools an agent's patterns cover."""

import pytest
from pydantic import ValidationError

from kgents_shared.contracts.agent_spec import ToolsSpec
from kgents_shared.contracts.tool_patterns import decide, matching


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("time.now", "time.now", True),
        ("time.now", "time.nowhere", False),
        ("time.*", "time.now", True),
        ("time.*", "timer.now", False),
        ("*", "time.now", True),
        ("*.read", "files.read", True),
        ("*.read", "files.read_all", False),
        ("files.*_all", "files.read_all", True),
        ("f*.r*d", "files.read", True),
        ("a*a", "a", False),
        ("ab*ba", "aba", False),
        ("a*b*c", "a.c.b", False),
        ("**", "anything.at-all", True),
    ],
)
def test_a_star_stands_for_any_run_of_characters(pattern: str, name: str, matches: bool):
    assert (matching(name, [pattern]) is not None) is matches


@pytest.mark.parametrize(
    ("grant", "is_taken"),
    [
        ("capability:reading", True),
        ("capability:read.files-2", True),
        ("capability:", False),
        ("capability:*", False),
        ("capability:A", False),
        ("other:reading", False),
        ("files.*", True),
    ],
)
def test_a_definition_names_tools_by_patterns_and_by_capabilities(grant: str, is_taken: bool):
    try:
        ToolsSpec(allow=[grant], deny=[grant])
    except ValidationError:
        assert not is_taken
    else:
        assert is_taken


def test_nothing_is_allowed_by_default():
    assert not decide("time.now", allow=[], deny=[]).allowed


def test_deny_wins_over_allow():
    decision = decide("time.now", allow=["*", "time.now"], deny=["time.*"])
    assert not decision.allowed
    assert "deny has time.*" in decision.reason


def test_the_operators_list_wins_over_the_agents():
    decision = decide("files.delete", allow=["files.delete"], deny=[], denied_here=["*.delete"])
    assert not decision.allowed
    assert "switched off on this platform" in decision.reason


def test_a_pattern_of_stars_is_matched_without_backtracking():
    """2^100 ways to match, if one tried them."""
    assert matching("a" * 100 + "b", ["*".join("a" * 50) + "*c"]) is None
