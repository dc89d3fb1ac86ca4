"""A definition becomes what runs in one call, or nothing changes; either way the last reload can be asked for."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import psycopg
import pytest

MakeAgent = Callable[..., Awaitable[dict[str, Any]]]
Json = dict[str, Any]
TOML = {"content-type": "application/toml"}


async def reload(caller: httpx.AsyncClient, name: str, text: str, status: int = 200, **query: str) -> Json:
    answer = await caller.put(f"/api/v1/agents/{name}/reload", content=text, headers=TOML, params=query)
    assert answer.status_code == status, answer.text
    return answer.json()


async def last(caller: httpx.AsyncClient, name: str) -> Json:
    answer = await caller.get(f"/api/v1/agents/{name}/reload")
    assert answer.status_code == 200, answer.text
    return answer.json()


def toml(name: str, prompt: str, more: str = "") -> str:
    return f'name = "{name}"\nsystem_prompt = "{prompt}"\n{more}'


async def test_a_reload_publishes_what_changed_and_tells_it(caller: httpx.AsyncClient, make_agent: MakeAgent) -> None:
    made = await make_agent("hot", publish=True)
    answer = await reload(caller, "hot", toml("hot", "Be brief.", "[limits]\nmax_steps = 3"), source="hot.toml")
    assert (answer["state"], answer["version_before"], answer["version"]) == ("reloaded", 1, 2)
    assert [(change["loc"], change["before"], change["after"]) for change in answer["changes"]] == [
        (["system_prompt"], "You help.", "Be brief."),
        (["limits", "max_steps"], 16, 3),
    ]
    assert (answer["agent_id"], answer["in_force"], answer["source"]) == (made["id"], 2, "hot.toml")
    assert await last(caller, "hot") == answer
    agent = (await caller.get("/api/v1/agents/hot")).json()
    assert (agent["id"], agent["status"], agent["generation"]) == (made["id"], "published", made["generation"] + 1)


async def test_what_runs_already_is_not_started_again(caller: httpx.AsyncClient, make_agent: MakeAgent) -> None:
    made = await make_agent("same", publish=True)
    answer = await reload(caller, "same", toml("same", "You help."))
    assert (answer["state"], answer["version"], answer["changes"]) == ("unchanged", 1, [])
    assert (await caller.get("/api/v1/agents/same")).json()["generation"] == made["generation"]


@pytest.mark.parametrize("before", ["draft", "stopped"])
async def test_what_does_not_run_is_started_by_a_reload(
    caller: httpx.AsyncClient, make_agent: MakeAgent, before: str
) -> None:
    await make_agent("idle", publish=before == "stopped")
    if before == "stopped":
        await caller.post("/api/v1/agents/idle/stop")
    answer = await reload(caller, "idle", toml("idle", "You help."))
    assert (answer["state"], answer["version"]) == ("reloaded", 1)
    assert (await caller.get("/api/v1/agents/idle")).json()["status"] == "published"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('name = "bad"\nsystem_prompt = ', []),
        (toml("bad", "You help.", "[limits]\nmax_stepps = 3"), ["limits", "max_stepps"]),
        (toml("another", "You help."), ["name"]),
    ],
    ids=["no TOML", "an unknown field", "another name"],
)
async def test_a_definition_with_faults_changes_nothing_and_its_faults_are_kept(
    caller: httpx.AsyncClient, make_agent: MakeAgent, text: str, place: list[str]
) -> None:
    made = await make_agent("bad", publish=True)
    problem = await reload(caller, "bad", text, 422, source="bad.toml")
    assert problem["errors"][0]["loc"] == place
    kept = await last(caller, "bad")
    assert (kept["state"], kept["version"], kept["source"]) == ("refused", 1, "bad.toml")
    told = [{name: value for name, value in fault.items() if value is not None} for fault in kept["errors"]]
    assert told == [{name: value for name, value in fault.items() if value is not None} for fault in problem["errors"]]
    assert (await caller.get("/api/v1/agents/bad")).json() == made
    assert (await reload(caller, "bad", toml("bad", "Mended.")))["state"] == "reloaded"
    assert (await last(caller, "bad"))["errors"] == []


async def test_before_the_first_reload_there_is_none(caller: httpx.AsyncClient, make_agent: MakeAgent) -> None:
    await make_agent("cold", publish=True)
    kept = await last(caller, "cold")
    assert (kept["state"], kept["version"], kept["in_force"], kept["at"]) == ("never", None, 1, None)


async def test_a_rollback_since_is_seen_in_the_version_that_is_in_force(
    caller: httpx.AsyncClient, make_agent: MakeAgent
) -> None:
    await make_agent("turned", publish=True)
    await reload(caller, "turned", toml("turned", "Second."))
    await caller.post("/api/v1/agents/turned/rollback", json={"version": 1})
    kept = await last(caller, "turned")
    assert (kept["state"], kept["version"], kept["in_force"]) == ("reloaded", 2, 1)
    again = await reload(caller, "turned", toml("turned", "Second."))
    assert (again["state"], again["version_before"], again["version"]) == ("reloaded", 1, 2)


async def test_a_refusal_of_what_is_not_the_callers_leaves_no_trace(
    caller: httpx.AsyncClient, stranger: httpx.AsyncClient, make_agent: MakeAgent, database_url: str
) -> None:
    made = await make_agent("ours", publish=True)
    theirs = await reload(stranger, made["id"], "broken", 422)
    nobodys = await reload(stranger, "nobody", "broken", 422)
    del theirs["correlation_id"], nobodys["correlation_id"]
    assert theirs == nobodys
    assert (await last(caller, "ours"))["state"] == "never"
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        found = await connection.execute("SELECT count(*) FROM agents.reloads WHERE agent_id = %s", (made["id"],))
        assert await found.fetchone() == (0,)


@pytest.mark.parametrize("source", ["", "x" * 256, "a\nb", "a\x00"])
async def test_a_source_is_one_line(caller: httpx.AsyncClient, make_agent: MakeAgent, source: str) -> None:
    await make_agent("sourced")
    problem = await reload(caller, "sourced", toml("sourced", "x"), 422, source=source)
    assert problem["errors"][0]["loc"] == ["query", "source"]


async def test_a_version_labelled_stable_goes_on_answering_and_a_reload_says_so(
    caller: httpx.AsyncClient, make_agent: MakeAgent
) -> None:
    await make_agent("steady", publish=True)
    labelled = await caller.put("/api/v1/agents/steady/labels/stable", json={"version": 1})
    assert labelled.status_code == 200
    answer = await reload(caller, "steady", toml("steady", "Second."))
    assert (answer["state"], answer["in_force"], answer["answering"]) == ("reloaded", 2, 1)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ('{"name": "odd", "system_prompt": "x", "a\\u0000b": 1}', ["a\\x00b"]),
        ('{"name": "odd", "data": {"nodes": [], "edges": [], "a\\ud800b": "\\u0000"}}', ["data", "a\\ud800b"]),
    ],
    ids=["NUL", "lone surrogate"],
)
async def test_a_refusal_with_characters_that_no_database_can_hold_is_kept_with_them_made_visible(
    caller: httpx.AsyncClient, make_agent: MakeAgent, body: str, place: list[str]
) -> None:
    await make_agent("odd", publish=True)
    headers = {"content-type": "application/json"}
    answer = await caller.put("/api/v1/agents/odd/reload", content=body, headers=headers)
    assert answer.status_code == 422, answer.text
    kept = await last(caller, "odd")
    assert kept["state"] == "refused"
    assert place in [fault["loc"] for fault in kept["errors"]]
