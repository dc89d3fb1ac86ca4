"""A run is looked into and repeated from the command line, through the whole platform."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import httpx

from kgents_shared.testing.model_server import ModelServer
from kgents_shared.testing.polling import eventually
from tests.e2e.running_platform import RunningPlatform, publish_agent


async def test_a_run_with_an_agent_that_it_asked_is_looked_into_and_repeated_against_the_next_version(
    platform: RunningPlatform, client: httpx.AsyncClient, model: ModelServer
):
    desk, expert = f"desk-{uuid4().hex[:8]}", f"expert-{uuid4().hex[:8]}"
    await publish_agent(client, expert)
    spec = {"tools": {"allow": ["ask_agent", "memory.store"]}, "system_prompt": "You are the first desk."}
    await publish_agent(client, desk, **spec)
    asked = await client.post(
        f"/agents/{desk}/message",
        json={"text": f'call ask_agent {{"agent": "{expert}", "message": "What is tea?"}}'},
    )
    assert asked.status_code == 200, asked.text
    run_id = asked.json()["run_id"]

    async def whole() -> dict[str, Any] | None:
        ran = await platform.cli("trace", run_id, "--json")
        assert ran.returncode == 0, ran.stderr
        trace: dict[str, Any] = json.loads(ran.stdout)
        return trace if trace["totals"]["runs"] == 2 and trace["totals"]["model_calls"] == 3 else None

    trace = await eventually(whole, describe="the trace has both runs and all calls") or {}
    [call] = [span for span in trace["spans"] if span["kind"] == "tool_call"]
    assert call["tool_call"]["decision"]["outcome"] == "allowed"
    assert trace["registry"] == "asked"
    [below] = [span for span in trace["spans"] if span["parent_id"] == call["id"]]
    assert (below["kind"], below["name"]) == ("run", f"{expert}@1")
    sent = next(span for span in trace["spans"] if span["kind"] == "model_call")["model_call"]["prompt"]
    assert "You are the first desk." in json.dumps(sent)
    drawn = await platform.cli("trace", run_id, "--kind", "tool_call")
    assert "ask_agent" in drawn.stdout
    assert f"{expert}@1" not in drawn.stdout

    await client.put(f"/agents/{desk}", json={"name": desk, **spec, "system_prompt": "You are the second desk."})
    assert (await client.post(f"/agents/{desk}/publish")).json()["version"] == 2
    conversations = (await client.get(f"/agents/{expert}/conversations")).json()["items"]
    ran = await platform.cli("replay", run_id, "--version", "2", "--json")
    assert ran.returncode == 0, ran.stderr
    comparison: dict[str, Any] = json.loads(ran.stdout)
    assert [comparison[side]["version"] for side in ("first", "second")] == [1, 2]
    assert comparison["same_steps"]
    assert "You are the second desk." in json.dumps(model.completions[-1].body)
    # The expert was not asked again: it has the conversation that it had.
    assert (await client.get(f"/agents/{expert}/conversations")).json()["items"] == conversations
