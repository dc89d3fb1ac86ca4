"""Wrappers: kept, deployed as agents of their own through the one way of publishing, and gone with what they made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

WRAPPERS = "/api/v1/agents/wrappers"
MakeAgent = Callable[..., Awaitable[dict[str, Any]]]
OWN = {"system_prompt": "You wrap.", "llm": {"provider": "echo"}}


async def wrap(caller: httpx.AsyncClient, name: str, **fields: Any) -> dict[str, Any]:
    body = {"name": name, **({} if "agent_id" in fields else {"configuration": OWN}), **fields}
    answer = await caller.post(WRAPPERS, json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def deploy(caller: httpx.AsyncClient, wrapper: str) -> dict[str, Any]:
    answer = await caller.post(f"{WRAPPERS}/{wrapper}/deploy")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def agent(caller: httpx.AsyncClient, name: str) -> dict[str, Any]:
    answer = await caller.get(f"/api/v1/agents/{name}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def faults(answer: httpx.Response) -> dict[tuple[Any, ...], str]:
    return {tuple(fault["loc"]): fault["code"] for fault in answer.json()["errors"]}


async def test_a_wrapper_is_made_read_listed_changed_and_deleted_by_its_owner_alone(
    caller: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    made = await wrap(caller, "front", description="Says hello.", version="2.1.0", supported_providers=["echo"])
    assert made["configuration"] == OWN
    assert (made["deployed_agent_id"], made["deployed_at"], made["version"]) == (None, None, "2.1.0")
    for reference in (made["id"], "front"):
        assert (await caller.get(f"{WRAPPERS}/{reference}")).json() == made
    assert (await caller.get(WRAPPERS)).json()["items"] == [made]
    body = {"name": "front", "configuration": OWN, "version": "2.2.0"}
    changed = (await caller.put(f"{WRAPPERS}/front", json=body)).json()
    assert (changed["version"], changed["description"], changed["supported_providers"]) == ("2.2.0", "", [])
    for method, path in (
        ("GET", made["id"]), ("PUT", "front"), ("DELETE", "front"), ("POST", "front/deploy"), ("GET", "front/status"),
    ):  # fmt: skip
        answer = await stranger.request(method, f"{WRAPPERS}/{path}", json=body if method == "PUT" else None)
        assert (answer.status_code, answer.json()["code"]) == (404, "kind_not_found")
    assert (await stranger.get(WRAPPERS)).json()["items"] == []
    assert (await caller.delete(f"{WRAPPERS}/front")).status_code == 204
    assert (await caller.get(f"{WRAPPERS}/front")).status_code == 404


async def test_the_paths_of_the_document_are_no_agents(caller: httpx.AsyncClient) -> None:
    await wrap(caller, "versions")
    assert (await caller.get(f"{WRAPPERS}/versions")).json()["name"] == "versions"
    refused = await caller.post("/api/v1/agents", json={"name": "wrappers", "system_prompt": "x"})
    assert refused.status_code == 422


async def test_deployed_it_is_a_published_agent_of_its_own_name(caller: httpx.AsyncClient) -> None:
    await wrap(caller, "greeter", description="Greets.")
    deployed = await deploy(caller, "greeter")
    made = await agent(caller, "greeter")
    assert (made["status"], made["version"], made["id"]) == ("published", 1, deployed["deployed_agent_id"])
    assert (made["draft"]["system_prompt"], made["draft"]["description"]) == ("You wrap.", "Greets.")
    assert made["draft"]["llm"]["provider"] == "echo"
    assert deployed["deployed_version"] == "1.0.0"


async def test_it_puts_its_settings_over_what_runs_of_the_agent_that_it_wraps(
    caller: httpx.AsyncClient, make_agent: MakeAgent
) -> None:
    limits = {"max_steps": 7, "timeout_s": 60}
    base = await make_agent("base", publish=True, description="The base.", limits=limits, tools={"allow": ["a.*"]})
    draft = {"name": "base", "system_prompt": "Not published."}
    assert (await caller.put("/api/v1/agents/base", json=draft)).status_code == 200
    configuration = {"llm": {"provider": "echo"}, "limits": {"timeout_s": 5}}
    await wrap(caller, "quick", agent_id=base["id"], configuration=configuration)
    await deploy(caller, "quick")
    spec = (await agent(caller, "quick"))["draft"]
    assert (spec["system_prompt"], spec["description"]) == ("You help.", "The base.")
    assert (spec["limits"]["max_steps"], spec["limits"]["timeout_s"]) == (7, 5)
    assert (spec["llm"]["provider"], spec["tools"]["allow"]) == ("echo", ["a.*"])
    assert (await agent(caller, "base"))["version"] == 1, "the wrapped agent stays as it is"


async def test_deployed_again_the_same_agent_gets_another_version(caller: httpx.AsyncClient) -> None:
    await wrap(caller, "again")
    first = await deploy(caller, "again")
    assert (await deploy(caller, "again"))["deployed_agent_id"] == first["deployed_agent_id"]
    assert (await agent(caller, "again"))["version"] == 1, "nothing changed"
    body = {"name": "again", "version": "1.1.0", "configuration": {**OWN, "system_prompt": "Otherwise."}}
    assert (await caller.put(f"{WRAPPERS}/again", json=body)).status_code == 200
    deployed = await deploy(caller, "again")
    assert (deployed["deployed_version"], (await agent(caller, "again"))["version"]) == ("1.1.0", 2)


async def test_the_preferred_provider_is_taken_where_none_is_named(caller: httpx.AsyncClient) -> None:
    await wrap(caller, "any", configuration={"system_prompt": "x"}, supported_providers=["echo", "openai"])
    await deploy(caller, "any")
    assert (await agent(caller, "any"))["draft"]["llm"]["provider"] == "echo"


async def test_a_provider_that_is_not_supported_is_refused_when_it_is_kept_and_when_the_agent_has_it(
    caller: httpx.AsyncClient, make_agent: MakeAgent
) -> None:
    place = ("configuration", "llm", "provider")
    body = {"name": "x", "configuration": OWN, "supported_providers": ["openai"]}
    kept = await caller.post(WRAPPERS, json=body)
    assert (kept.status_code, faults(kept)) == (422, {place: "provider_not_supported"})
    base = await make_agent("base", llm={"provider": "echo"})
    await wrap(caller, "strict", agent_id=base["id"], supported_providers=["openai"])
    refused = await caller.post(f"{WRAPPERS}/strict/deploy")
    assert (refused.status_code, faults(refused)) == (422, {place: "provider_not_supported"})


async def test_an_agent_that_runs_elsewhere_is_deployed_with_its_place(
    caller: httpx.AsyncClient, make_agent: MakeAgent
) -> None:
    place = {"protocol": "a2a", "url": "https://agents.example/a"}
    await wrap(caller, "far", configuration={"shell": "Remote", **place}, supported_providers=["openai"])
    deployed = await deploy(caller, "far")
    assert (await agent(caller, "far"))["draft"]["runtime"]["remote"] == {**place, "credential_ref": None}
    # Over such an agent another wrapper has nothing to set.
    await wrap(caller, "over", agent_id=deployed["deployed_agent_id"])
    refused = await caller.post(f"{WRAPPERS}/over/deploy")
    assert (refused.status_code, refused.json()["code"]) == (422, "not_runnable")
    assert faults(refused) == {("agent_id",): "not_runnable"}
    assert (await caller.get("/api/v1/agents/over")).status_code == 404
    assert (await caller.get(f"{WRAPPERS}/over/status")).json()["status"] == "not_deployed"


@pytest.mark.parametrize(
    ("fields", "place", "code"),
    [
        ({"configuration": {}}, ("configuration", "system_prompt"), "missing"),
        ({"version": "one"}, ("version",), "string_pattern_mismatch"),
        ({"supported_providers": ["echo", "echo"]}, ("supported_providers",), "doubled_provider"),
        ({"supported_providers": ["skynet"]}, ("supported_providers", 0), "literal_error"),
        ({"configuration": {**OWN, "limits": {"max_steps": 0}}}, ("configuration", "limits", "max_steps"),
         "greater_than_equal"),
        ({"configuration": {"shell": "Docker"}}, ("configuration", "shell"), "literal_error"),
        ({"configuration": "none"}, ("configuration",), "model_type"),
        ({"name": "profiles"}, ("name",), "reserved_name"),
        ({"agent_id": str(uuid4())}, ("agent_id",), "reference_missing"),
        ({"agent_id": str(uuid4()),
          "configuration": {"shell": "Remote", "protocol": "http", "url": "https://agents.example"}},
         ("agent_id",), "conflicting_shell"),
    ],
    ids=["no-prompt", "version", "twice", "unknown", "limit", "shell", "text", "reserved", "agent", "both"],
)  # fmt: skip
async def test_a_fault_is_told_with_its_place(
    caller: httpx.AsyncClient, fields: dict[str, Any], place: tuple[Any, ...], code: str
) -> None:
    answer = await caller.post(WRAPPERS, json={"name": "x", "configuration": OWN, **fields})
    assert (answer.status_code, faults(answer)) == (422, {place: code})


async def test_a_secret_in_a_configuration_is_refused(caller: httpx.AsyncClient) -> None:
    secret = "sk-" + "proj-Zk3u8Qw1x7Zk3u8Qw1x7Zk3u8Qw1x7Zk3u8Qw1x7"
    body = {"name": "x", "configuration": {**OWN, "system_prompt": f"Use {secret}"}}
    answer = await caller.post(WRAPPERS, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "secret_in_document")
    assert secret not in answer.text


async def test_another_owners_agent_can_not_be_wrapped(
    caller: httpx.AsyncClient, stranger: httpx.AsyncClient, make_agent: MakeAgent
) -> None:
    theirs = await make_agent("theirs")
    answer = await stranger.post(WRAPPERS, json={"name": "mine", "agent_id": theirs["id"]})
    assert (answer.status_code, faults(answer)) == (422, {("agent_id",): "reference_missing"})


async def test_an_agent_of_that_name_that_it_did_not_make_is_left_alone(
    caller: httpx.AsyncClient, make_agent: MakeAgent
) -> None:
    before = await make_agent("taken", publish=True)
    await wrap(caller, "taken")
    refused = await caller.post(f"{WRAPPERS}/taken/deploy")
    assert (refused.status_code, refused.json()["code"]) == (409, "name_taken")
    assert await agent(caller, "taken") == before
    assert (await caller.delete(f"{WRAPPERS}/taken")).status_code == 204
    assert await agent(caller, "taken") == before


async def test_its_agent_goes_with_it_and_a_deleted_agent_is_made_anew(caller: httpx.AsyncClient) -> None:
    await wrap(caller, "brief")
    first = await deploy(caller, "brief")
    assert (await caller.delete("/api/v1/agents/brief")).status_code == 204
    gone = (await caller.get(f"{WRAPPERS}/brief/status")).json()
    assert (gone["status"], gone["agent"], gone["endpoint_url"]) == ("agent_deleted", None, None)
    second = await deploy(caller, "brief")
    assert second["deployed_agent_id"] != first["deployed_agent_id"]
    assert (await caller.delete(f"{WRAPPERS}/brief")).status_code == 204
    assert (await caller.get("/api/v1/agents/brief")).status_code == 404


async def test_deployed_it_keeps_its_name_and_is_not_over_itself(caller: httpx.AsyncClient) -> None:
    await wrap(caller, "fixed")
    deployed = await deploy(caller, "fixed")
    renamed = await caller.put(f"{WRAPPERS}/fixed", json={"name": "other", "configuration": OWN})
    assert (renamed.status_code, faults(renamed)) == (422, {("name",): "name_is_fixed"})
    body = {"name": "fixed", "agent_id": deployed["deployed_agent_id"]}
    circle = await caller.put(f"{WRAPPERS}/fixed", json=body)
    assert (circle.status_code, faults(circle)) == (422, {("agent_id",): "wraps_itself"})


async def test_a_wrapped_agent_that_was_deleted_is_named_when_the_wrapper_is_deployed(
    caller: httpx.AsyncClient, make_agent: MakeAgent
) -> None:
    base = await make_agent("base")
    await wrap(caller, "orphan", agent_id=base["id"])
    assert (await caller.delete("/api/v1/agents/base")).status_code == 204
    refused = await caller.post(f"{WRAPPERS}/orphan/deploy")
    assert (refused.status_code, faults(refused)) == (422, {("agent_id",): "reference_missing"})


async def test_the_same_deploy_under_one_key_publishes_once(caller: httpx.AsyncClient) -> None:
    await wrap(caller, "once")
    answers = [await caller.post(f"{WRAPPERS}/once/deploy", headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert (await agent(caller, "once"))["generation"] == 1


async def test_the_status_of_what_was_deployed_is_never_made_up(caller: httpx.AsyncClient) -> None:
    await wrap(caller, "unseen")
    assert (await caller.get(f"{WRAPPERS}/unseen/status")).json()["status"] == "not_deployed"
    await deploy(caller, "unseen")
    answer = await caller.get(f"{WRAPPERS}/unseen/status")
    assert answer.status_code == 503, "nothing answers where the deployment service would be"
