"""Define, publish, talk, and find the conversation again, over the public address of a running platform."""

from __future__ import annotations

import json
import os
import signal
from typing import Any
from uuid import uuid4

import httpx
import pytest

from kgents_shared.testing.model_server import (
    CutStream,
    ModelServer,
    RawAnswer,
    Reply,
    StatusFault,
    rate_limited,
    server_error,
)
from kgents_shared.testing.plain_http import PLAIN
from kgents_shared.testing.polling import eventually
from tests.e2e.conftest import MODEL_KEY
from tests.e2e.running_platform import RunningPlatform, publish_agent


def fresh_name() -> str:
    return f"agent-{uuid4().hex[:10]}"


async def say(client: httpx.AsyncClient, agent: str, text: str, conversation: str | None = None) -> dict[str, Any]:
    body = {"text": text} | ({"conversation_id": conversation} if conversation else {})
    answer = await client.post(f"/agents/{agent}/message", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_an_agent_answers_through_the_model_server_and_remembers(client: httpx.AsyncClient, model: ModelServer):
    name = fresh_name()
    await publish_agent(client, name)
    first = await say(client, name, "Hello")
    second = await say(client, name, "Again", first["conversation_id"])
    assert first["status"] == second["status"] == "completed"
    assert first["text"] == "You said: Hello [2 messages seen]"  # the system prompt and the user's message
    assert second["text"] == "You said: Again [4 messages seen]"
    listed = await client.get(f"/api/v1/conversations/{first['conversation_id']}/messages")
    assert [(row["role"], row["text"]) for row in listed.json()["items"]] == [
        ("user", "Hello"),
        ("assistant", first["text"]),
        ("user", "Again"),
        ("assistant", second["text"]),
    ]
    assert {request.authorization for request in model.completions} == {f"Bearer {MODEL_KEY}"}


async def test_without_a_token_nothing_answers(platform: RunningPlatform):
    async with httpx.AsyncClient(base_url=platform.url, timeout=60, verify=PLAIN) as stranger:
        answer = await stranger.post("/agents/any/message", json={"text": "Hello"})
        assert answer.status_code == 401
        assert answer.json()["code"] == "token_required"
        assert (await stranger.get("/internal/agents/desired")).status_code == 404
        assert (await stranger.get("/api/v1/agents")).status_code == 401


async def test_an_answer_streams_as_server_sent_events(client: httpx.AsyncClient):
    name = fresh_name()
    await publish_agent(client, name)
    headers = {"Accept": "text/event-stream"}
    events: list[tuple[str, dict[str, Any]]] = []
    async with client.stream("POST", f"/agents/{name}/message", json={"text": "Hi there"}, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        kind = ""
        async for line in answer.aiter_lines():
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                events.append((kind, json.loads(line.removeprefix("data: "))))
    assert next(kind for kind, _ in events) == "run"
    assert events[-1][0] == "completed"
    assert "".join(data["text"] for kind, data in events if kind == "delta") == events[-1][1]["text"]


async def test_a_killed_worker_is_replaced_and_the_conversation_goes_on(
    client: httpx.AsyncClient, platform: RunningPlatform
):
    name = fresh_name()
    await publish_agent(client, name)
    first = await say(client, name, "before")

    async def workers() -> list[dict[str, Any]]:
        return [row for row in await platform.processes("worker") if row["agent"] == name]

    rows: list[dict[str, Any]] = await eventually(workers, describe="its worker is listed")
    os.kill(int(rows[0]["pid"]), signal.SIGKILL)

    async def answers_again() -> bool:
        answer = await client.post(
            f"/agents/{name}/message", json={"text": "after", "conversation_id": first["conversation_id"]}
        )
        return answer.status_code == 200 and "4 messages seen" in answer.json()["text"]

    await eventually(answers_again, describe="the agent answers with the whole conversation")


@pytest.mark.parametrize(
    ("fault", "tries", "status"),
    [
        (server_error(), 8, 502),
        (rate_limited(1), 8, 503),
        (RawAnswer(b"<html>not json</html>"), 8, 502),
        (StatusFault(401, "bad key"), 1, 502),
    ],
    ids=["500", "429", "garbage", "401"],
)
async def test_a_model_that_fails_is_named_and_the_conversation_stays_intact(
    client: httpx.AsyncClient, model: ModelServer, fault: Any, tries: int, status: int
):
    name = fresh_name()
    await publish_agent(client, name)
    first = await say(client, name, "good")
    model.script(*[fault] * tries)
    failed = await client.post(
        f"/agents/{name}/message", json={"text": "bad", "conversation_id": first["conversation_id"]}
    )
    model.reset()
    assert failed.status_code == status, failed.text
    problem = failed.json()
    assert failed.headers["content-type"] == "application/problem+json"
    assert "openai" in problem["detail"]
    assert problem["code"].startswith("provider_")
    assert MODEL_KEY not in failed.text
    run = await client.get(f"/api/v1/runs/{problem['run_id']}")
    assert run.json()["status"] == "failed"
    after = await say(client, name, "good again", first["conversation_id"])
    assert "[4 messages seen]" in after["text"]


async def test_a_cut_stream_is_tried_again_or_told_and_never_stored_in_part(
    client: httpx.AsyncClient, model: ModelServer
):
    name = fresh_name()
    await publish_agent(client, name)
    model.script(CutStream())
    answer = await client.post(f"/agents/{name}/message", json={"text": "Hello"})
    if answer.status_code == 200:
        assert answer.json()["text"] == "You said: Hello [2 messages seen]"
    else:
        assert answer.json()["code"].startswith("provider_")


async def test_a_model_server_that_is_down_is_told_with_its_name(client: httpx.AsyncClient, model: ModelServer):
    name = fresh_name()
    await publish_agent(client, name)
    await model.stop()
    try:
        answer = await client.post(f"/agents/{name}/message", json={"text": "Hello"})
    finally:
        await model.start()
    assert answer.status_code == 502
    assert answer.json()["code"] == "provider_unreachable"
    assert (await say(client, name, "Hello"))["status"] == "completed"


@pytest.mark.parametrize("text", ["", "   ", "x" * 40_000, "nul\x00"])
async def test_texts_that_cannot_be_taken_are_422(client: httpx.AsyncClient, text: str):
    answer = await client.post("/agents/whoever/message", json={"text": text})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"][-1] == "text"


async def test_a_message_to_an_unknown_agent_is_404(client: httpx.AsyncClient):
    answer = await client.post("/agents/nobody-here/message", json={"text": "Hello"})
    assert answer.status_code == 404
    assert answer.json()["code"] == "agent_not_found"


async def test_a_stopped_and_a_deleted_agent_are_torn_down(client: httpx.AsyncClient, platform: RunningPlatform):
    name = fresh_name()
    await publish_agent(client, name)

    async def worker_rows() -> list[dict[str, Any]]:
        return [row for row in await platform.processes("worker") if row["agent"] == name]

    await eventually(worker_rows, describe="its worker is listed")
    assert (await client.post(f"/api/v1/agents/{name}/stop", json={})).status_code == 200

    async def gone() -> bool:
        return not await worker_rows()

    await eventually(gone, describe="the worker of a stopped agent ends")
    assert (await client.post(f"/agents/{name}/message", json={"text": "Hello"})).status_code == 409
    assert (await client.delete(f"/api/v1/agents/{name}")).status_code == 204
    assert (await client.post(f"/agents/{name}/message", json={"text": "Hello"})).status_code == 404


async def test_a_new_version_takes_over_and_keeps_the_conversation(client: httpx.AsyncClient, model: ModelServer):
    name = fresh_name()
    await publish_agent(client, name)
    first = await say(client, name, "one")
    spec = {"name": name, "system_prompt": "A second prompt."}
    assert (await client.put(f"/api/v1/agents/{name}", json=spec)).status_code == 200
    assert (await client.post(f"/api/v1/agents/{name}/publish", json={})).status_code == 200

    async def second_prompt_arrives() -> bool:
        await say(client, name, "two", first["conversation_id"])
        return model.completions[-1].messages[0]["content"] == "A second prompt."

    await eventually(second_prompt_arrives, describe="version 2 answers")


async def test_one_owner_sees_nothing_of_another(client: httpx.AsyncClient, platform: RunningPlatform):
    name = fresh_name()
    await publish_agent(client, name)
    mine = await say(client, name, "secret plan")
    email, password = f"{uuid4().hex}@example.com", "a long enough password"
    async with httpx.AsyncClient(base_url=platform.url, timeout=60, verify=PLAIN) as other:
        registered = await other.post("/auth/register", json={"email": email, "password": password, "name": "Other"})
        assert registered.status_code == 202
        tokens = (await other.post("/auth/login", json={"email": email, "password": password})).json()
        other.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        for path in (
            f"/agents/{name}",
            f"/agents/{name}/deployments",
            f"/agents/{name}/logs",
            f"/api/v1/runs/{mine['run_id']}",
            f"/api/v1/conversations/{mine['conversation_id']}/messages",
        ):
            assert (await other.get(path)).status_code == 404, path
        assert (await other.get("/agents")).json()["items"] == []
        refused = await other.post(f"/agents/{name}/message", json={"text": "Hello"})
        assert refused.status_code == 404


async def test_a_reply_with_unusual_characters_comes_back_to_the_byte(client: httpx.AsyncClient, model: ModelServer):
    name = fresh_name()
    await publish_agent(client, name)
    text = 'Zürich 🏔 — "quoted" \\ back {braces} {{jinja}} %s\n\ttabbed'
    model.script(Reply(text=text))
    assert (await say(client, name, text))["text"] == text
