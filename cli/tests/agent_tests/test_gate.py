"""`--require-tests`: what does not pass is not published."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.tests.conftest import Answer, Api, Kgents

from .conftest import WriteScenarios

GREETS = '[[case]]\nname = "greets"\n[[case.turn]]\nuser = "Hi"\nreplies = ["Hello"]\nexpect.model_saw = ["{}"]\n'
DRAFT = {"name": "clerk", "system_prompt": "The draft's prompt."}
READY = {"id": "i-1", "state": "ready", "version": 2, "pid": 41, "restarts": 0, "last_error": None}


@pytest.fixture(autouse=True)
def clerk(api: Api) -> Api:
    """A server with the agent `clerk`."""
    api.will("POST", "/api/v1/agents", Answer(201, {"name": "clerk"}))
    api.will("GET", "/api/v1/agents/clerk", Answer(200, {"name": "clerk", "draft": DRAFT}))
    api.will("POST", "/api/v1/agents/clerk/publish", Answer(200, {"name": "clerk", "version": 2, "draft": DRAFT}))
    ready = {"items": [{"instances": [READY]}], "next_cursor": None}
    api.will("GET", "/api/v1/agents/clerk/deployments", Answer(200, ready))
    return api


def published(api: Api) -> bool:
    return bool(api.bodies("POST", "/api/v1/agents/clerk/publish"))


def test_publish_runs_the_scenarios_on_the_draft(kgents: Kgents, api: Api, write_scenarios: WriteScenarios):
    file = str(write_scenarios(GREETS.format("The draft's prompt.")))
    ran = kgents("agents", "publish", "clerk", "--require-tests", file)
    assert (ran.code, ran.out) == (0, "clerk version 2 is running.\n")
    assert published(api)


def test_publish_stops_where_a_case_fails_and_shows_it(kgents: Kgents, api: Api, write_scenarios: WriteScenarios):
    file = str(write_scenarios(GREETS.format("{a} clerk")))
    ran = kgents("agents", "publish", "clerk", "--require-tests", file)
    assert (ran.code, ran.out) == (1, "")
    assert "model_saw" in ran.err
    assert "clerk was not published: 1 failed" in ran.err
    assert not published(api)


def test_publish_stops_where_nothing_was_tested(kgents: Kgents, api: Api, write_scenarios: WriteScenarios):
    file = write_scenarios('[[case]]\nname = "for real"\nmodel = "real"\n[[case.turn]]\nuser = "Hi"\n')
    ran = kgents("agents", "publish", "clerk", "--require-tests", str(file))
    assert ran.code == 1
    assert "clerk was not published: 1 skipped" in ran.err
    assert not published(api)


def test_a_draft_that_changed_while_it_was_tested_is_told(kgents: Kgents, api: Api, write_scenarios: WriteScenarios):
    other = {"name": "clerk", "version": 2, "draft": DRAFT | {"system_prompt": "Another's."}}
    api.will("POST", "/api/v1/agents/clerk/publish", Answer(200, other))
    file = str(write_scenarios(GREETS.format("The draft's prompt.")))
    ran = kgents("agents", "publish", "clerk", "--require-tests", file)
    assert ran.code == 1
    assert "clerk version 2 is published and was not tested" in ran.err


def test_create_sends_a_file_only_if_it_passes(kgents: Kgents, api: Api, write_scenarios: WriteScenarios):
    file = write_scenarios(GREETS.format("You are {a} clerk."))
    definition = str(file.with_name("agent.toml"))
    assert kgents("create", "--config", definition, "--require-tests", str(file)).code == 0
    assert published(api)
    api.seen.clear()
    file.write_text(file.read_text().replace("{a} clerk", "something else"))
    ran = kgents("create", "--config", definition, "--require-tests", str(file))
    assert ran.code == 1
    assert "clerk was not published: 1 failed" in ran.err
    assert api.seen == []


def test_every_file_that_is_named_must_pass(kgents: Kgents, api: Api, write_scenarios: WriteScenarios, tmp_path: Path):
    good = write_scenarios(GREETS.format("The draft's prompt."))
    bad = tmp_path / "more.toml"
    bad.write_text(GREETS.format("something else"))
    ran = kgents("agents", "publish", "clerk", "--require-tests", str(good), "--require-tests", str(bad))
    assert ran.code == 1
    assert "1 passed, 1 failed" in ran.err
    assert not published(api)
