"""`kgents agents labels|label|unlabel`, and messages to a label or a version."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import Answer, Api, Kgents

AGENT = "/api/v1/agents/my-agent"
CANARY = {"label": "canary", "version": 4, "share": 10}
STABLE = {"label": "stable", "version": 3, "share": 90}


def page(*items: Any) -> Answer:
    return Answer(200, {"items": list(items), "next_cursor": None})


def deployment(*instances: tuple[str, int, str]) -> Answer:
    rows = [{"lane": lane, "version": version, "state": state} for lane, version, state in instances]
    return page({"instances": rows})


def test_labels_are_listed_with_what_they_answer(kgents: Kgents, api: Api):
    api.will("GET", f"{AGENT}/labels", page(STABLE, CANARY))
    assert [line.split() for line in kgents("agents", "labels", "my-agent").out.splitlines()] == [
        ["LABEL", "VERSION", "NEW", "CONVERSATIONS"],
        ["stable", "3", "90", "%"],
        ["canary", "4", "10", "%"],
    ]
    assert kgents("agents", "labels", "my-agent", "--json").json == [STABLE, CANARY]


def test_no_label_says_what_answers_then(kgents: Kgents, api: Api):
    api.will("GET", f"{AGENT}/labels", page())
    ran = kgents("agents", "labels", "my-agent")
    assert (ran.code, ran.out) == (0, "")
    assert "the one in force answers" in ran.err


def test_a_canary_is_waited_for_in_its_own_lane(kgents: Kgents, api: Api):
    api.will("PUT", f"{AGENT}/labels/canary", Answer(200, CANARY))
    api.will("GET", AGENT, Answer(200, {"status": "published"}))
    older = [("stable", 4, "ready"), ("canary", 2, "ready"), ("canary", 4, "starting")]
    api.will(
        "GET", f"{AGENT}/deployments", deployment(*older), deployment(("stable", 3, "ready"), ("canary", 4, "ready"))
    )
    ran = kgents("agents", "label", "my-agent", "canary", "4", "--share", "10")
    assert (ran.code, json.loads(api.bodies("PUT", f"{AGENT}/labels/canary")[0])) == (0, {"version": 4, "share": 10})
    assert "version 4 is the canary; 10 % of new conversations begin with it" in ran.out
    assert len([seen for seen in api.seen if seen.path.startswith(f"{AGENT}/deployments")]) == 2


def test_a_stopped_agents_label_is_not_waited_for(kgents: Kgents, api: Api):
    api.will("PUT", f"{AGENT}/labels/stable", Answer(200, STABLE))
    api.will("GET", AGENT, Answer(200, {"status": "stopped"}))
    ran = kgents("agents", "label", "my-agent", "stable", "3")
    assert ran.code == 0
    assert "the agent is stopped" in ran.out


def test_a_label_is_taken_away(kgents: Kgents, api: Api):
    api.will("DELETE", f"{AGENT}/labels/canary", Answer(204))
    ran = kgents("agents", "unlabel", "my-agent", "canary")
    assert (ran.code, ran.out) == (0, "my-agent: no version is labelled canary any more.\n")


@pytest.mark.parametrize(
    "arguments",
    [("beta", "1"), ("canary", "0"), ("canary", "1", "--share", "101"), ("stable", "1", "--share", "5"), ("canary",)],
)
def test_what_can_be_no_label_is_not_asked_for(kgents: Kgents, api: Api, arguments: tuple[str, ...]):
    assert kgents("agents", "label", "my-agent", *arguments).code == 2
    assert api.seen == []


def test_a_message_goes_to_a_version_and_on_in_its_newest_conversation(kgents: Kgents, api: Api):
    conversations = [{"id": "of-stable", "lane": "stable"}, {"id": "of-three", "lane": "3"}]
    api.will("GET", f"{AGENT}/conversations", page(*conversations))
    api.will("POST", "/api/v1/agents/my-agent%403/message", Answer(200, {"text": "Hello"}))
    assert kgents("message", "my-agent@3", "Hello", "--continue", "--json").json == {"text": "Hello"}
    [body] = api.bodies("POST", "/api/v1/agents/my-agent%403/message")
    assert json.loads(body) == {"text": "Hello", "conversation_id": "of-three"}
    assert kgents("message", "my-agent@canary", "Hello", "--continue").code == 2


def test_an_agent_shows_why_each_of_its_instances_runs(kgents: Kgents, api: Api):
    api.will("GET", AGENT, Answer(200, {"name": "my-agent", "version": 3}))
    rows = [
        {"id": lane, "lane": lane, "version": version, "state": "ready"}
        for lane, version in (("stable", 3), ("canary", 4), ("1", 1))
    ]
    api.will("GET", f"{AGENT}/deployments", page({"instances": rows}))
    told = [line.split(", ")[0] for line in kgents("agents", "get", "my-agent").err.splitlines()]
    assert told == [
        "instance stable: version 3",
        "instance canary: version 4 (canary)",
        "instance 1: version 1 (asked for by number)",
    ]
