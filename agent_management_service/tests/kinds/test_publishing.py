"""Bots and teams as agents: one draft, one publish path, one set of versions."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.external.langflow import echo_flow, node_of

from .conftest import Make, path_of


async def publish(http: httpx.AsyncClient, kind: str, name: str) -> httpx.Response:
    return await http.post(f"{path_of(kind, name)}/publish")


@pytest.mark.parametrize("kind", ["bot", "team"])
async def test_what_is_published_is_an_agent_of_its_name(caller: httpx.AsyncClient, make: Make, kind: str) -> None:
    ghost = await make("ghost", "g", system_prompt="Be brief.", description="A desk.")
    model = await make("model", "m", provider="openai", model_name="gpt", temperature=0.5)
    shell = await make("shell", "s", config={"tools": {"allow": ["time.*"]}, "limits": {"max_steps": 3}})
    bot = await make("bot", "desk", ghost_id=ghost["id"], model_id=model["id"], shell_id=shell["id"])
    await make("team", "front", members=[{"bot_id": bot["id"], "role": "all of it"}])
    name = {"bot": "desk", "team": "front"}[kind]
    answer = await publish(caller, kind, name)
    assert answer.status_code == 200, answer.text
    agent = answer.json()
    assert (agent["name"], agent["status"], agent["version"], agent["generation"]) == (name, "published", 1, 1)
    draft = agent["draft"]
    assert (draft["system_prompt"], draft["description"]) == ("Be brief.", "A desk.")
    assert (draft["llm"]["provider"], draft["llm"]["model"], draft["llm"]["temperature"]) == ("openai", "gpt", 0.5)
    assert (draft["tools"]["allow"], draft["limits"]["max_steps"]) == (["time.*"], 3)
    assert (await caller.get(f"/api/v1/agents/{name}")).json() == agent
    assert (await caller.get(f"/api/v1/agents/{name}/versions/1")).json()["spec"] == draft


async def test_a_changed_part_is_the_next_version_and_an_unchanged_one_none(
    caller: httpx.AsyncClient, make: Make
) -> None:
    bot = await make("bot", "grows")
    first = (await publish(caller, "bot", "grows")).json()
    again = (await publish(caller, "bot", "grows")).json()
    assert (first["id"], again["version"], again["generation"]) == (again["id"], 1, 2)
    ghost = {"name": "g", "system_prompt": "Otherwise."}
    assert (await caller.put(path_of("ghost", bot["ghost_id"]), json=ghost)).status_code == 200
    assert (await caller.get("/api/v1/agents/grows")).json()["version"] == 1
    third = (await publish(caller, "bot", "grows")).json()
    assert (third["id"], third["version"]) == (first["id"], 2)
    diff = (await caller.get("/api/v1/agents/grows/versions/2")).json()["spec"]
    assert diff["system_prompt"] == "Otherwise."


async def test_an_agent_that_came_of_a_file_is_updated_and_its_versions_go_on(
    caller: httpx.AsyncClient, make: Make, make_agent: Any
) -> None:
    made = await make_agent("desk", publish=True)
    await make("bot", "desk")
    agent = (await publish(caller, "bot", "desk")).json()
    assert (agent["id"], agent["version"]) == (made["id"], 1)  # the least bot is the least definition
    assert (await caller.post("/api/v1/agents/desk/stop")).status_code == 200
    assert (await publish(caller, "bot", "desk")).json()["status"] == "published"


async def test_the_model_names_whose_account_is_asked(caller: httpx.AsyncClient, make: Make) -> None:
    reference = f"cred_{'1' * 32}"
    model = await make("model", "m", provider="openai", api_key_ref=reference)
    bot = await make("bot", "whole")
    body = {"name": "paid", "ghost_id": bot["ghost_id"], "shell_id": bot["shell_id"], "model_id": model["id"]}
    await make("bot", **body)
    agent = (await publish(caller, "bot", "paid")).json()
    assert agent["draft"]["llm"]["credential_ref"] == reference


@pytest.mark.parametrize("kind", ["bot", "team"])
async def test_a_shell_of_langflow_is_published_with_its_flow_and_the_model_beside_it(
    caller: httpx.AsyncClient, make: Make, shells: Any, kind: str
) -> None:
    shells.why = None
    flow = echo_flow()
    shell = await make("shell", "s", type="Langflow", config={"flow": flow})
    model = await make("model", "m", provider="echo")
    other = await make("bot", "other")
    bot = await make("bot", "flowing", ghost_id=other["ghost_id"], model_id=model["id"], shell_id=shell["id"])
    await make("team", "flowing", members=[{"bot_id": bot["id"]}])
    answer = await publish(caller, kind, "flowing")
    assert answer.status_code == 200, answer.text
    assert answer.json()["draft"]["llm"]["provider"] == "echo"
    assert (await caller.get("/api/v1/agents/flowing/flow", params={"version": 1})).json() == flow
    # Published again as another flow: that is another version of the same agent.
    changed = flow | {"description": "Says it twice."}
    body = {"name": "s", "type": "Langflow", "config": {"flow": changed}}
    assert (await caller.put(path_of("shell", shell["id"]), json=body)).status_code == 200
    assert (await publish(caller, kind, "flowing")).json()["version"] == 2
    assert (await caller.get("/api/v1/agents/flowing/flow", params={"version": 1})).json() == flow


@pytest.mark.parametrize("kind", ["bot", "team"])
@pytest.mark.parametrize(
    ("why", "place"), [("nothing is installed", ["shell", "type"]), (None, ["shell", "config", "flow", "data"])]
)
async def test_a_flow_that_can_not_run_is_told_at_its_shell(
    caller: httpx.AsyncClient, make: Make, shells: Any, why: str | None, place: list[str], kind: str
) -> None:
    shells.why = why
    flow = echo_flow() if why else echo_flow("Echo", node_of("URLComponent", "URL-1"))
    shell = await make("shell", "s", type="Langflow", config={"flow": flow})
    other = await make("bot", "other")
    bot = await make("bot", "stuck", ghost_id=other["ghost_id"], model_id=other["model_id"], shell_id=shell["id"])
    await make("team", "stuck", members=[{"bot_id": bot["id"]}])
    answer = await publish(caller, kind, "stuck")
    assert (answer.status_code, answer.json()["code"]) == (422, "not_runnable")
    (fault,) = answer.json()["errors"]
    assert fault["loc"][: len(place)] == place
    assert (await caller.get("/api/v1/agents/stuck")).status_code == 404


@pytest.mark.parametrize("mode", ["pipeline", "route", "coordinate"])
async def test_a_team_of_several_is_an_agent_over_its_members(caller: httpx.AsyncClient, make: Make, mode: str) -> None:
    bots = [await make("bot", name) for name in ("one", "two", "three")]
    roles = (None, "Leader", "counts")
    members = [{"bot_id": bot["id"], "role": role} for bot, role in zip(bots, roles, strict=True)]
    await make("team", "trio", mode=mode, members=members)
    answer = await publish(caller, "team", "trio")
    assert answer.status_code == 200, answer.text
    spec = (await caller.get("/api/v1/agents/trio")).json()["draft"]
    named = ["one", "two", "three"] if mode == "pipeline" else ["one", "three"]
    assert (spec["team"]["mode"], [one["agent"] for one in spec["team"]["members"]]) == (mode, named)
    assert spec["team"]["members"][-1]["role"] == "counts"
    for name in named:
        assert (await caller.get(f"/api/v1/agents/{name}")).json()["status"] == "published"
    assert (await caller.get("/api/v1/agents/two")).status_code == (200 if mode == "pipeline" else 404)
    again = await publish(caller, "team", "trio")
    assert again.json()["version"] == 1
    refused = await caller.post("/api/v1/kinds/bots/import", json=spec)
    assert (refused.status_code, refused.json()["code"]) == (422, "team_not_of_parts")


async def test_a_team_that_has_a_member_of_its_own_name_is_refused_at_that_member(
    caller: httpx.AsyncClient, make: Make
) -> None:
    bots = [await make("bot", name) for name in ("pair", "two")]
    await make("team", "pair", mode="pipeline", members=[{"bot_id": bot["id"]} for bot in bots])
    refused = await publish(caller, "team", "pair")
    assert (refused.status_code, refused.json()["code"]) == (422, "not_runnable")
    assert [(fault["loc"], fault["code"]) for fault in refused.json()["errors"]] == [(["members"], "own_member")]
    assert (await caller.get("/api/v1/agents/two")).status_code == 404


@pytest.mark.parametrize("kind", ["bot", "team"])
async def test_another_owners_and_an_unknown_one_are_the_same_404(
    caller: httpx.AsyncClient, stranger: httpx.AsyncClient, make: Make, kind: str
) -> None:
    thing = await make(kind, "private")
    answers = [await publish(stranger, kind, name) for name in (thing["id"], "private", str(uuid4()), "~")]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(404, "kind_not_found")}
    assert (await stranger.get("/api/v1/agents")).json()["items"] == []
    assert (await caller.get("/api/v1/agents")).json()["items"] == []


@pytest.mark.parametrize("kind", ["bot", "team"])
async def test_publishing_takes_no_options_and_counts_once_for_each_key(
    caller: httpx.AsyncClient, make: Make, kind: str
) -> None:
    await make(kind, "counted")
    path = f"{path_of(kind, 'counted')}/publish"
    assert (await caller.post(path, json={"version": 1})).status_code == 422
    for key, generation in (("a", 1), ("a", 1), ("b", 2)):
        answer = await caller.post(path, headers={"Idempotency-Key": key})
        assert answer.json()["generation"] == generation


async def test_racing_publishes_make_one_agent(caller: httpx.AsyncClient, make: Make) -> None:
    await make("bot", "busy")
    answers = await asyncio.gather(*(publish(caller, "bot", "busy") for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sorted(answer.json()["generation"] for answer in answers) == list(range(1, 9))


async def test_deleting_the_parts_leaves_the_agent(caller: httpx.AsyncClient, make: Make) -> None:
    bot = await make("bot", "stays")
    agent = (await publish(caller, "bot", "stays")).json()
    assert (await caller.delete(path_of("bot", "stays"))).status_code == 204
    for part in ("ghost", "model", "shell"):
        assert (await caller.delete(path_of(part, bot[f"{part}_id"]))).status_code == 204
    assert (await caller.get("/api/v1/agents/stays")).json() == agent


TOML = """
name = "desk"
system_prompt = '''
Be brief.
'''
llm_provider = "echo"
[tools]
allow = ["time.*"]
"""


async def test_a_definition_is_taken_apart_and_publishes_as_itself(caller: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/toml"}
    drafted = await caller.post("/api/v1/agents", content=TOML, headers=headers)
    answer = await caller.post("/api/v1/kinds/bots/import", content=TOML, headers=headers)
    assert answer.status_code == 201, answer.text
    bot = answer.json()
    assert answer.headers["location"] == path_of("bot", bot["id"])
    assert {bot[part]["name"] for part in ("ghost", "model", "shell")} == {"desk"}
    assert bot == (await caller.get(path_of("bot", "desk"))).json()
    assert (await publish(caller, "bot", "desk")).json()["draft"] == drafted.json()["draft"]


async def test_where_one_name_is_taken_nothing_is_taken_apart(caller: httpx.AsyncClient, make: Make) -> None:
    await make("shell", "desk")
    answer = await caller.post("/api/v1/kinds/bots/import", content=TOML, headers={"content-type": "application/toml"})
    assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")
    for kind in ("ghost", "model", "bot"):
        assert (await caller.get(path_of(kind))).json()["items"] == []


async def test_what_is_wrong_with_a_definition_is_told_as_ever(caller: httpx.AsyncClient) -> None:
    answer = await caller.post("/api/v1/kinds/bots/import", json={"name": "desk", "system_promt": "x"})
    assert answer.status_code == 422
    assert {fault["loc"][0] for fault in answer.json()["errors"]} == {"system_promt", "system_prompt"}
