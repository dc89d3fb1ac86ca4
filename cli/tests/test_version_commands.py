"""`kgents agents versions|diff|rollback`: what they ask of the API, and how they show what it answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import Answer, Api, Kgents

AGENT = "/api/v1/agents/my-agent"
AT_FROM = "(2026-11-21 09:30 UTC from a.toml)"
SPEC = {"name": "my-agent", "system_prompt": "Be brief.", "description": "Answers\nbriefly."}


def version(number: int) -> dict[str, Any]:
    return {
        "number": number,
        "content_hash": "sha256:" + f"{number}" * 64,
        "spec": SPEC,
        "created_at": "2026-11-21T09:30:00Z",
    }


def in_force(api: Api, number: int | None) -> None:
    api.will("GET", AGENT, Answer(200, {"name": "my-agent", "version": number}))


def test_versions_are_listed_with_the_one_in_force_marked(kgents: Kgents, api: Api):
    api.will("GET", f"{AGENT}/versions", Answer(200, {"items": [version(2), version(1)], "next_cursor": None}))
    in_force(api, 1)
    ran = kgents("agents", "versions", "my-agent")
    assert [line.split() for line in ran.out.splitlines()] == [
        ["VERSION", "MADE", "CONTENT", "DESCRIPTION"],
        ["2", "2026-11-21", "09:30", "222222222222", "Answers"],
        ["1", "in", "force", "2026-11-21", "09:30", "111111111111", "Answers"],
    ]
    assert kgents("agents", "versions", "my-agent", "--json").json == [version(2), version(1)]


def test_an_agent_without_versions_says_how_to_make_one(kgents: Kgents, api: Api):
    api.will("GET", f"{AGENT}/versions", Answer(200, {"items": [], "next_cursor": None}))
    in_force(api, None)
    ran = kgents("agents", "versions", "my-agent")
    assert (ran.code, ran.out) == (0, "")
    assert "kgents agents publish my-agent" in ran.err


def test_one_version_is_shown_whole(kgents: Kgents, api: Api):
    api.will("GET", f"{AGENT}/versions/2", Answer(200, version(2)))
    assert json.loads(kgents("agents", "versions", "my-agent", "2").out) == version(2)
    assert kgents("agents", "versions", "my-agent", "2", "--json").json == version(2)


@pytest.mark.parametrize("number", ["0", "-1", "x", "2147483648"])
def test_what_can_be_no_version_is_not_asked_for(kgents: Kgents, api: Api, number: str):
    assert kgents("agents", "versions", "my-agent", "--", number).code == 2
    assert kgents("agents", "rollback", "my-agent", "--to", number).code == 2
    assert kgents("agents", "diff", "my-agent", "--from", number).code == 2
    assert api.seen == []


def change(loc: list[str], before: Any, after: Any, lines: list[str]) -> dict[str, Any]:
    return {"loc": loc, "kind": "changed", "before": before, "after": after, "lines": lines}


def test_a_difference_is_read_field_by_field(kgents: Kgents, api: Api):
    changes = [
        change(["llm", "temperature"], None, 0.2, []),
        change(["system_prompt"], "a\nb", "a\n\x1b[2J", ["@@ -1,2 +1,2 @@", " a", "-b", "+\x1b[2J"]),
        change(["tools", "allow"], [], ["web.*"], ["+web.*"]),
    ]
    answer = {"from_version": 2, "to_version": None, "changes": changes}
    api.will("GET", f"{AGENT}/diff", Answer(200, answer))
    ran = kgents("agents", "diff", "my-agent")
    assert ran.out.splitlines() == [
        "my-agent: version 2 → the draft, 3 changes",
        "  llm.temperature: not set → 0.2",
        "  system_prompt:",
        "    @@ -1,2 +1,2 @@",
        "     a",
        "    -b",
        "    +\\x1b[2J",
        "  tools.allow:",
        "    +web.*",
    ]
    assert kgents("agents", "diff", "my-agent", "--json").json == answer


def test_two_versions_are_compared_as_they_are_named(kgents: Kgents, api: Api):
    api.will("GET", f"{AGENT}/diff", Answer(200, {"from_version": 1, "to_version": 3, "changes": []}))
    ran = kgents("agents", "diff", "my-agent", "--from", "1", "--to", "3")
    assert ran.out == "my-agent: version 1 and version 3 are the same.\n"
    assert api.seen[-1].path == f"{AGENT}/diff?from=1&to=3"


@pytest.mark.parametrize(("options", "number"), [((), 3), (("--to", "1"), 1)])
def test_a_rollback_waits_until_the_older_version_answers(
    kgents: Kgents, api: Api, options: tuple[str, ...], number: int
):
    in_force(api, 4)
    api.will("POST", f"{AGENT}/rollback", Answer(200, {"name": "my-agent", "version": number}))
    newer = {"id": "i-4", "state": "ready", "version": 4}
    older = {"id": "i-1", "state": "ready", "version": number, "pid": 41}
    api.will("GET", f"{AGENT}/deployments", *[Answer(200, {"items": [{"instances": found}], "next_cursor": None})
             for found in ([newer], [newer, older], [older])])  # fmt: skip
    ran = kgents("agents", "rollback", "my-agent", *options)
    assert ran.out == f"my-agent version {number} is running again; the draft is as it was.\n", ran.err
    assert [json.loads(body) for body in api.bodies("POST", f"{AGENT}/rollback")] == [{"version": number}]
    assert kgents("agents", "rollback", "my-agent", *options, "--json").json == older


@pytest.mark.parametrize(("number", "words"), [(None, "was never published"), (1, "runs its first version")])
def test_where_there_is_no_version_before_a_rollback_says_so(kgents: Kgents, api: Api, number: int | None, words: str):
    in_force(api, number)
    ran = kgents("agents", "rollback", "my-agent")
    assert ran.code == 2
    assert words in ran.err
    assert api.bodies("POST", f"{AGENT}/rollback") == []


@pytest.mark.parametrize(
    ("reload", "expected"),
    [
        ({"state": "never"},
         ["my-agent was never reloaded, version 2 is in force. Reload it on each save with: kgents dev FILE"]),
        (
            {"state": "reloaded", "version": 3, "changes": [change(["limits", "max_steps"], 3, 4, [])]},
            [f"my-agent was reloaded as version 3 {AT_FROM}; version 2 is in force.",
             "  limits.max_steps: 3 → 4"],
        ),
        (
            {"state": "refused", "version": 2,
             "errors": [{"loc": ["limit"], "msg": "is not a known field", "hint": None, "line": 3, "column": 1}]},
            [f"my-agent was not reloaded: its file has faults {AT_FROM}; version 2 is in force.",
             "  a.toml:3:1: limit: is not a known field"],
        ),
    ],
    ids=["never", "reloaded", "refused"],
)  # fmt: skip
def test_the_last_reload_is_told(kgents: Kgents, api: Api, reload: dict[str, Any], expected: list[str]):
    answer = {"at": "2026-11-21T09:30:00Z", "source": "a.toml", "in_force": 2, "changes": [], "errors": [], **reload}
    api.will("GET", f"{AGENT}/reload", Answer(200, answer))
    assert kgents("agents", "last-reload", "my-agent").out.splitlines() == expected
    assert kgents("agents", "last-reload", "my-agent", "--json").json == answer
