"""What an agent's models cost and what bounds it, on a running platform by the commands of the command line."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import httpx

from kgents_shared.testing.model_server import ModelRequest, ModelServer, Reply, ToolCall
from kgents_shared.testing.polling import eventually
from tests.e2e.running_platform import RunningPlatform, publish_agent


def counted(_: ModelRequest) -> Reply:
    return Reply("Hello.", prompt_tokens=100, completion_tokens=100)


async def test_a_price_a_budget_and_what_was_spent_by_the_command_line(
    platform: RunningPlatform, client: httpx.AsyncClient, model: ModelServer
):
    async def kgents(*words: str) -> Any:
        ran = await platform.cli(*words, "--json")
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    name = f"agent-{uuid4().hex[:10]}"
    model.answer_with(counted)
    await publish_agent(client, name, llm={"max_tokens": 200})
    await kgents("models", "prices", "set", "openai", "fake-model", "--input", "20", "--output", "80")
    budget = await kgents("budgets", "set", "agent", name, "--max-cost", "0.05")
    assert (budget["subject_name"], budget["left"]) == (name, {"cost": "0.05", "tokens": None})
    answers = [await client.post(f"/agents/{name}/message", json={"text": "Hello"}) for _ in range(6)]
    good = [answer for answer in answers if answer.status_code == 200]
    assert 2 <= len(good) <= 5
    assert good[0].json()["usage"]["cost"] == {"amount": "0.01", "currency": "USD"}
    refused = answers[-1].json()
    assert (answers[-1].status_code, refused["code"]) == (429, "budget_exhausted")
    assert f"the daily budget of the agent {name}" in refused["detail"]

    async def is_summed() -> bool:
        [row] = await kgents("usage", "--by", "agent", "--agent", name)
        known = (row["name"], row["calls"] - row["failed_calls"], row["cost"])
        return known == (name, len(good), f"{0.01 * len(good):.2f}")

    await eventually(is_summed, describe="the calls are written down")
    [mine] = [found for found in await kgents("budgets", "list") if found["id"] == budget["id"]]
    assert mine["spent"]["cost"] == f"{0.01 * len(good):.2f}"
    await kgents("tools", "set", "memory.search", "--cost", "0.03")
    searching = f"agent-{uuid4().hex[:10]}"
    await publish_agent(client, searching, tools={"allow": ["memory.search"]}, limits={"max_cost_per_day": "0.5"})
    model.script(Reply(tool_calls=(ToolCall("memory_search", '{"query": "tea"}'),)), Reply("There is none."))
    answer = (await client.post(f"/agents/{searching}/message", json={"text": "What of tea?"})).json()
    assert (answer["text"], answer["usage"]["tool_cost"]) == ("There is none.", {"amount": "0.03", "currency": "USD"})
    trace = (await client.get(f"/api/v1/runs/{answer['run_id']}/trace")).json()
    assert trace["totals"]["tool_cost"] == "0.03"
    assert (await client.delete("/api/v1/tools/memory.search/cost")).status_code == 204
    listed = await kgents("models", "list")
    [fake] = [row for row in listed["items"] if row["model"] == "fake-model" and row["credential_ref"] is None]
    assert (fake["is_default"], fake["prices"]["output"]) == (True, "80")
    for words in (("budgets", "delete", budget["id"]), ("models", "prices", "unset", "openai", "fake-model")):
        assert (await platform.cli(*words)).returncode == 0
    assert (await client.post(f"/agents/{name}/message", json={"text": "Hello"})).status_code == 200
