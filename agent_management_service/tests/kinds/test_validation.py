"""What each kind's body may hold, as its refusals tell it: every fault at once, with place and hint."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.external.langflow import echo_flow, starter_flows

from .conftest import KINDS, Make, minimal, path_of

A_UUID = "019a0000000070008000000000000000"
REFERENCE = f"cred_{'0a' * 16}"


def flow_with(field: str, value: str) -> dict[str, Any]:
    """A flow whose first node has a field of this value."""
    flow = echo_flow()
    flow["data"]["nodes"][0]["data"]["node"]["template"][field] = {"value": value}
    return flow


async def faults_of(http: httpx.AsyncClient, kind: str, body: Any) -> list[dict[str, Any]]:
    answer = await http.post(path_of(kind), json=body)
    assert answer.status_code == 422, answer.text
    return answer.json()["errors"]


def places(faults: list[dict[str, Any]]) -> list[str]:
    return [".".join(map(str, fault["loc"])) for fault in faults]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["", "Big", "a b", "-a", "a-", "x" * 64, "a\x00", "ä", A_UUID])
async def test_a_name_that_can_be_none_is_told(caller: httpx.AsyncClient, kind: str, name: str) -> None:
    body = {"name": name, "system_prompt": "x", "ghost_id": str(uuid4()), "members": []}
    faults = await faults_of(caller, kind, body)
    (fault,) = [fault for fault in faults if fault["loc"] == ["name"]]
    assert fault["hint"] or "choose another" in fault["msg"]


@pytest.mark.parametrize("kind", KINDS)
async def test_an_unknown_field_is_told_with_what_may_have_been_meant(caller: httpx.AsyncClient, kind: str) -> None:
    body = await minimal(caller, kind, "typo") | {"nmae": "x", "owner_id": "somebody"}
    faults = await faults_of(caller, kind, body)
    assert places(faults) == ["nmae", "owner_id"]
    assert "did you mean" in faults[0]["hint"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ["", "{", "[]", "1", '{"name": "a", "name": "b"}', "null"])
async def test_what_is_no_object_is_told(caller: httpx.AsyncClient, kind: str, text: str) -> None:
    answer = await caller.post(path_of(kind), content=text, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["errors"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_body_of_another_type_is_not_read(caller: httpx.AsyncClient, kind: str) -> None:
    answer = await caller.post(path_of(kind), content="name = 'a'", headers={"content-type": "application/toml"})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("ghost", {"system_prompt": "Use the key sk-a1b2c3d4e5f6a7b8c9d0e1f2."}),
        ("ghost", {"system_prompt": "x", "description": "ghp_0123456789abcdefghij0123456789abcdef"}),
        ("model", {"api_key_ref": "sk-a1b2c3d4e5f6a7b8c9d0e1f2"}),
        ("model", {"api_key": "anything"}),
        ("shell", {"type": "Remote", "config": {"protocol": "http", "url": "https://u:pw1@example.com/"}}),
        ("shell", {"type": "Langflow", "config": {"flow": flow_with("api_key", "sk-a1b2c3d4e5f6a7b8c9d0e1f2")}}),
        ("team", {"members": [{"bot_id": str(uuid4()), "role": "password=hunter2"}]}),
    ],
    ids=["prompt", "description", "key-for-ref", "key", "address", "flow", "role"],
)
async def test_what_looks_like_a_secret_is_refused_and_not_repeated(
    caller: httpx.AsyncClient, kind: str, fields: dict[str, Any]
) -> None:
    answer = await caller.post(path_of(kind), json={"name": "leaky", **fields})
    assert (answer.status_code, answer.json()["code"]) == (422, "secret_in_document")
    for secret in ("a1b2c3", "0123456789abc", "anything", "pw1", "word", "hunter2"):
        assert f'"{secret}' not in answer.text
    assert (await caller.get(path_of(kind))).json()["items"] == []


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({}, "system_prompt"),
        ({"system_prompt": ""}, "system_prompt"),
        ({"system_prompt": "x" * 65_537}, "system_prompt"),
        ({"system_prompt": 7}, "system_prompt"),
        ({"system_prompt": "a\x00b"}, "system_prompt"),
        ({"system_prompt": "x", "description": "d" * 2001}, "description"),
        ({"system_prompt": "x", "description": None}, "description"),
    ],
    ids=["none", "empty", "long", "number", "nul", "long-description", "null-description"],
)
async def test_a_ghost_that_can_be_none_is_told(caller: httpx.AsyncClient, fields: dict[str, Any], place: str) -> None:
    assert places(await faults_of(caller, "ghost", {"name": "g", **fields})) == [place]


async def test_a_long_prompt_of_many_lines_is_kept_to_the_byte(caller: httpx.AsyncClient, make: Make) -> None:
    prompt = "Zürich 🏔\r\n\ttabbed \\ {braces} %s\n" * 1000
    await make("ghost", "long", system_prompt=prompt)
    assert (await caller.get(path_of("ghost", "long"))).json()["system_prompt"] == prompt


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google", "ollama", "openai-compatible", "echo", None])
async def test_every_provider_of_the_documents_is_stored_and_found(
    caller: httpx.AsyncClient, make: Make, provider: str | None
) -> None:
    await make("model", "other")
    made = await make("model", "wanted", provider=provider)
    assert made["provider"] == provider
    if provider is not None:
        listed = (await caller.get(path_of("model"), params={"provider": provider})).json()["items"]
        assert [row["name"] for row in listed] == ["wanted"]


async def test_all_of_a_model_is_stored(make: Make) -> None:
    fields = {
        "provider": "openai", "model_name": "gpt", "temperature": 0.7, "max_tokens": 100, "api_key_ref": REFERENCE,
    }  # fmt: skip
    made = await make("model", "whole", **fields)
    assert {name: made[name] for name in fields} == fields


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"provider": "openia"}, "provider"),
        ({"provider": ""}, "provider"),
        ({"provider": 1}, "provider"),
        ({"model_name": ""}, "model_name"),
        ({"model_name": "m" * 201}, "model_name"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": "warm"}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_tokens": 1_000_001}, "max_tokens"),
        ({"api_key_ref": "the-key"}, "api_key_ref"),
        ({"api_key_ref": "cred_short"}, "api_key_ref"),
    ],
    ids=lambda part: str(part) if isinstance(part, dict) and len(str(part)) < 40 else "",
)
async def test_a_model_that_can_be_none_is_told(caller: httpx.AsyncClient, fields: dict[str, Any], place: str) -> None:
    faults = await faults_of(caller, "model", {"name": "m", **fields})
    assert places(faults) == [place]
    assert faults[0]["msg"]


async def test_all_that_is_wrong_with_a_model_is_told_at_once(caller: httpx.AsyncClient) -> None:
    body = {"name": "M", "provider": "x", "temperature": 3, "max_tokens": 0, "api_key_ref": "x", "extra": 1}
    assert sorted(places(await faults_of(caller, "model", body))) == sorted(body)


async def test_a_shell_is_chat_with_an_agents_defaults_where_nothing_is_said(make: Make) -> None:
    made = await make("shell", "plain")
    assert made["type"] == "Chat"
    assert made["config"] == {
        "capabilities": ["chat"],
        "tools": {"allow": [], "deny": []},
        "memory": {"scope": "agent", "semantic": True, "window_tokens": 16_000, "shared": False},
        "limits": {
            "memory_mb": 256, "max_steps": 16, "timeout_s": 120, "cpu": 1.0, "processes": 64,
            "requests_per_minute": None, "max_tokens_per_day": None, "max_cost_per_day": None,
        },
        "fallbacks": [], "cache_s": None, "replicas": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("type_", "config"),
    [
        ("Langflow", {"flow": echo_flow()}),
        ("Remote", {"protocol": "openai", "url": "https://agents.example.com/v1"}),
        ("Remote", {"protocol": "a2a", "url": "http://10.0.0.1:8000"}),
        ("Remote", {"protocol": "http", "url": "https://agents.example.com/hook?x=1"}),
    ],
    ids=["langflow", "openai", "a2a", "http"],
)
async def test_a_shell_of_each_type_is_stored_and_found(
    caller: httpx.AsyncClient, make: Make, type_: str, config: dict[str, Any]
) -> None:
    await make("shell", "other")
    made = await make("shell", "wanted", type=type_, config=config)
    kept = {**config, "credential_ref": None} if type_ == "Remote" else config
    assert (made["type"], made["config"]) == (type_, kept)
    listed = (await caller.get(path_of("shell"), params={"type": type_})).json()["items"]
    assert [row["name"] for row in listed] == ["wanted"]


async def test_a_long_flow_is_kept_whole(caller: httpx.AsyncClient) -> None:
    flow = json.loads(max(starter_flows().values(), key=len))
    made = await caller.post(path_of("shell"), json={"name": "s", "type": "Langflow", "config": {"flow": flow}})
    assert made.status_code == 201, made.text
    assert (await caller.get(path_of("shell", "s"))).json()["config"] == {"flow": flow}


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"type": "Docker"}, "type"),
        ({"type": "chat"}, "type"),
        ({"type": None}, "type"),
        ({"type": ["Chat"]}, "type"),
        ({"config": {"limits": {"memory_mb": 1}}}, "config.limits.memory_mb"),
        ({"config": {"tools": {"allow": ["a b"]}}}, "config.tools.allow.0"),
        ({"config": {"capabilities": ["chat", "chat"]}}, "config.capabilities"),
        ({"config": {"tools": {"allow": ["time.*"], "deny": ["*"]}}}, "config.tools.deny"),
        ({"config": {"flow": {"data": {}}}}, "config.flow"),
        ({"type": "Langflow"}, "config"),
        ({"type": "Langflow", "config": {"flow": {}}}, "config.flow"),
        ({"type": "Langflow", "config": {"flow": {"data": {}}}}, "config.flow"),
        ({"type": "Langflow", "config": {"flow": {"data": {"nodes": [], "edges": []}}}}, "config.flow.data.nodes"),
        (
            {"type": "Langflow", "config": {"flow": flow_with("code", "import os")}},
            "config.flow.data.nodes.0.data.node.template.code.value",
        ),
        ({"type": "Remote", "config": {"protocol": "soap", "url": "https://example.com"}}, "config.protocol"),
        ({"type": "Remote", "config": {"protocol": "http", "url": "ftp://example.com"}}, "config.url"),
        ({"type": "Remote", "config": {"protocol": "http"}}, "config.url"),
    ],
    ids=[
        "no-such", "case", "null", "list", "limits", "tools", "capabilities", "no-tool-left", "of-another-type",
        "no-flow", "empty-flow", "no-export", "no-node", "own-code", "protocol", "url", "no-url",
    ],
)  # fmt: skip
async def test_a_shell_that_can_be_none_is_told(caller: httpx.AsyncClient, body: dict[str, Any], place: str) -> None:
    assert places(await faults_of(caller, "shell", {"name": "s", **body})) == [place]


@pytest.mark.parametrize("field", ["ghost_id", "model_id", "shell_id"])
@pytest.mark.parametrize("value", [None, "", "mine", 7, "0" * 31, [], {}], ids=str)
async def test_a_bot_refers_by_ids_alone(caller: httpx.AsyncClient, field: str, value: Any) -> None:
    ids = {f"{part}_id": str(uuid4()) for part in ("ghost", "model", "shell")}
    assert places(await faults_of(caller, "bot", {"name": "b", **ids, field: value})) == [field]


async def test_a_bot_needs_all_three(caller: httpx.AsyncClient) -> None:
    assert places(await faults_of(caller, "bot", {"name": "b"})) == ["ghost_id", "model_id", "shell_id"]


@pytest.mark.parametrize("kind", ["bot", "team"])
@pytest.mark.parametrize("name", ["wrappers", "templates", "kinds"])
async def test_what_becomes_an_agent_has_no_name_that_an_agent_may_not_have(
    caller: httpx.AsyncClient, kind: str, name: str
) -> None:
    body = await minimal(caller, kind, "before")
    faults = await faults_of(caller, kind, body | {"name": name})
    assert (places(faults), faults[0]["code"]) == (["name"], "reserved_name")


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({}, "members"),
        ({"members": []}, "members"),
        ({"members": {}}, "members"),
        ({"members": [str(uuid4())]}, "members.0"),
        ({"members": [{}]}, "members.0.bot_id"),
        ({"members": [{"bot_id": "x"}]}, "members.0.bot_id"),
        ({"members": [{"bot_id": str(uuid4()), "role": ""}]}, "members.0.role"),
        ({"members": [{"bot_id": str(uuid4()), "rol": "lead"}]}, "members.0.rol"),
        ({"members": [{"bot_id": str(uuid4())}], "mode": "chaos"}, "mode"),
        ({"members": [{"bot_id": str(uuid4())} for _ in range(51)]}, "members"),
        ({"members": [{"bot_id": "0" * 31 + "1"}] * 2}, "members"),
    ],
    ids=["none", "empty", "object", "text", "no-id", "id", "role", "misspelt", "mode", "many", "twice"],
)
async def test_a_team_that_can_be_none_is_told(caller: httpx.AsyncClient, fields: dict[str, Any], place: str) -> None:
    assert places(await faults_of(caller, "team", {"name": "t", **fields})) == [place]
