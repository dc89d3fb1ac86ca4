"""Three agents working together through the whole platform, in each of a team's modes: of parts, and of one file."""

from __future__ import annotations

import json
from typing import Any, cast
from uuid import uuid4

import httpx

from kgents_shared.testing.model_server import Answer, ModelRequest, ModelServer, Reply, ToolCall
from kgents_shared.testing.polling import eventually
from tests.e2e.running_platform import publish_agent

MEMBERS = ("researcher", "writer", "editor")


def answer(request: ModelRequest) -> Answer:
    """Each member says its name around what it was told; the leader asks them, and answers at last."""
    system, last = (str(request.messages[place]["content"]) for place in (0, -1))
    if system.startswith("I am "):
        return Reply(f"{system[5:].partition('.')[0]}({last})")
    if "answer nothing yourself" in system:
        return asks(request, "writer", "whatever")
    results = [str(one["content"]).partition("\n")[0] for one in request.messages if one["role"] == "tool"]
    if len(results) == 3:
        return Reply(f"We say: {results[-1]}")
    return asks(request, MEMBERS[len(results)], results[-1] if results else last)


def asks(request: ModelRequest, member: str, message: str) -> Reply:
    names: list[str] = [tool["function"]["name"] for tool in cast("list[dict[str, Any]]", request.body["tools"])]
    name = next(name for name in names if name.endswith(member))
    return Reply(tool_calls=(ToolCall(name, json.dumps({"message": message})),))


async def test_three_agents_work_together_in_each_mode(client: httpx.AsyncClient, model: ModelServer):
    model.answer_with(answer)
    mark = uuid4().hex[:6]

    async def made(kind: str, body: dict[str, Any]) -> str:
        stored = await client.post(f"/api/v1/kinds/{kind}", json=body)
        assert stored.status_code == 201, stored.text
        return stored.json()["id"]

    async def said(team: str, text: str) -> str | None:
        told = await client.post(f"/api/v1/agents/{team}/message", json={"text": text})
        return told.json()["text"] if told.status_code == 200 else None

    shell = await made("shells", {"name": f"s-{mark}", "type": "Chat", "config": {}})
    which = await made("models", {"name": f"m-{mark}"})
    bots: dict[str, str] = {}
    for name in (*MEMBERS, "leader"):
        prompt = "I lead." if name == "leader" else f"I am {name}."
        ghost = await made("ghosts", {"name": f"{name}-{mark}", "system_prompt": prompt})
        parts = {"ghost_id": ghost, "model_id": which, "shell_id": shell}
        bots[name] = await made("bots", {"name": f"{mark}-{name}", **parts})
    for mode in ("pipeline", "route", "coordinate"):
        names = MEMBERS if mode == "pipeline" else ("leader", *MEMBERS)
        members = [{"bot_id": bots[name], "role": name} for name in names]
        await made("teams", {"name": f"{mark}-{mode}", "mode": mode, "members": members})
        published = await client.post(f"/api/v1/kinds/teams/{mark}-{mode}/publish", json={})
        assert published.status_code == 200, published.text
    expected = {
        "pipeline": "editor(writer(researcher(Tea)))",
        "route": "writer(Tea)",
        "coordinate": "We say: editor(writer(researcher(Tea)))",
    }
    for mode, text in expected.items():

        async def answers(mode: str = mode, text: str = text) -> bool:
            return await said(f"{mark}-{mode}", "Tea") == text

        await eventually(answers, describe=f"the {mode} answers", retry_on=(httpx.TransportError,))
    # The members' runs are runs like any other: the owner sees them, and the registry has recorded each question.
    conversations = (await client.get(f"/api/v1/agents/{mark}-editor/conversations")).json()["items"]
    assert len(conversations) >= 2
    # A definition of its own does the same, over the agents that are there.
    team = {"mode": "pipeline", "members": [{"agent": f"{mark}-editor"}, {"agent": f"{mark}-writer"}]}
    await publish_agent(client, f"{mark}-file", team=team)
    assert await said(f"{mark}-file", "Milk") == "writer(editor(Milk))"


async def test_a_context_and_a_capability_answer_by_every_name_of_their_paths(
    client: httpx.AsyncClient, model: ModelServer
):
    model.answer_with(answer)
    mark = uuid4().hex[:6]
    names = [f"{mark}-{member}" for member in MEMBERS]
    for name in names:
        await publish_agent(client, name, system_prompt=f"I am {name}.", capabilities=[f"talk-{mark}"])
    body = {"name": "Tea", "agents": [{"agent": name} for name in names], "collaboration_model": "sequential"}
    made = await client.post("/api/multi_agent/multi_agent/context", json=body)
    assert made.status_code == 201, made.text
    context = made.json()["id"]
    said = await client.post("/api/multi_agent/message", json={"context_id": context, "text": "Hi"})
    assert [one["status"] for one in said.json()["answers"]] == ["answered"] * 3, said.text
    history = (await client.get(f"/api/v1/multi_agent/context/{context}/history")).json()["items"]
    assert [row["from_name"] for row in history[1:]] == names
    assert history[1]["text"] == f"{names[0]}(Hi)"
    assert (await client.get(f"/api/multi_agent/multi_agent/context/{context}/metrics")).json()["by_agents"] == 3
    told = await client.post(f"/api/v1/capabilities/talk-{mark}/message", json={"text": "Anyone?"})
    assert told.json()["agent"] in names, told.text
    # An agent asks whoever can, by a tool.
    await publish_agent(client, f"{mark}-desk", tools={"allow": ["ask_capability"]})
    call = {"capability": f"talk-{mark}", "message": "Who?"}
    model.script(Reply(tool_calls=(ToolCall("ask_capability", json.dumps(call)),)), "I know.", "They know.")
    asked = await client.post(f"/api/v1/agents/{mark}-desk/message", json={"text": "Ask"})
    assert asked.status_code == 200, asked.text
    path = f"/api/v1/conversations/{asked.json()['conversation_id']}/messages"
    said_there = (await client.get(path)).json()["items"]
    assert [row["text"].partition("\n")[0] for row in said_there if row["role"] == "tool"] == ["I know."]
