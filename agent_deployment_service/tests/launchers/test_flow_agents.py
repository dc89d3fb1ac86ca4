"""Flows of Langflow in their sandboxes: lfx runs them, and all that they reach is the door."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web

from agent_deployment_service.launchers.process.filesystem import SCRATCH_INSIDE
from agent_deployment_service.launchers.process.launcher import ProcessLauncher, ProcessLauncherOptions
from agent_deployment_service.launchers.protocol import Launched, LaunchError, LaunchRequest
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.definitions.flows.catalogue import catalogue, tools_component
from kgents_shared.definitions.flows.running import components_not_here
from tests.external.langflow import component_names, flow_environment, node_of, starter_flows

Json = dict[str, Any]
TOKEN = "5ec7e7" * 10
TOOL = {"name": "time.now", "description": "The time.", "input_schema": {"type": "object", "properties": {"zone": {}}}}
RUNS = {
    "Basic Prompting",
    "Image Sentiment Analysis",
    "Multi Agent Flow",
    "SEO Keyword Generator",
    "Twitter Thread Generator",
}


def completion(message: Json, finish: str = "stop") -> Json:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}


def asks_for_tool(name: str, arguments: Json) -> Json:
    call = {"id": "c1", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
    return completion({"content": None, "tool_calls": [call]}, "tool_calls")


@dataclass
class FlowDoor:
    """The front, as a flow's worker meets it: every completion says what was asked, unless the test queues another."""

    answers: list[Json | int] = field(default_factory=list[Json | int])
    asked: list[tuple[str, Json]] = field(default_factory=list[tuple[str, Json]])
    steps: list[Json] = field(default_factory=list[Json])
    tool_calls: list[Json] = field(default_factory=list[Json])

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/internal/llm/openai/v1/chat/completions", self._complete)
        app.router.add_post("/internal/runs/{run}/steps", self._step)
        app.router.add_post("/internal/tools/call", self._tool)
        return app

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append((request.headers["X-Kgents-Run"], body))
        answer = self.answers.pop(0) if self.answers else completion({"content": f"Heard: {said(body)}"})
        if isinstance(answer, int):
            problem = {"status": answer, "code": "provider_rate_limited", "detail": "The provider wants a pause."}
            return web.json_response(problem, status=answer)
        if not body.get("stream"):
            return web.json_response(answer)
        (choice,) = answer["choices"]
        delta = choice["message"]
        calls = [{"index": place, **call} for place, call in enumerate(delta.get("tool_calls", []))]
        event = answer | {
            "object": "chat.completion.chunk",
            "choices": [{"index": 0, "delta": delta | {"tool_calls": calls}, "finish_reason": choice["finish_reason"]}],
        }
        data = f"data: {json.dumps(event)}\n\ndata: [DONE]\n\n"
        return web.Response(text=data, content_type="text/event-stream")

    async def _step(self, request: web.Request) -> web.Response:
        self.steps.append((await request.json())["message"])
        return web.json_response({"seq": len(self.steps)}, status=201)

    async def _tool(self, request: web.Request) -> web.Response:
        self.tool_calls.append(await request.json())
        return web.json_response({"content": "It is noon.", "is_error": False})


def said(body: Json) -> str:
    """The newest message of the user's in a request."""
    return next(str(row["content"]) for row in reversed(body["messages"]) if row["role"] == "user")


@dataclass
class FlowBench:
    """A launcher with what flows run on, and the door that its workers are given."""

    launcher: ProcessLauncher
    door: FlowDoor

    async def started(self, flow: Json) -> Launched:
        launched = await self.launcher.launch(request_of(flow))
        await self.launcher.wait_healthy(launched.instance_id, 60)
        return launched

    async def ask(self, launched: Launched, text: str, *earlier: Json, **changes: Any) -> Json:
        """The last event of a run."""
        body = {
            "run_id": str(uuid4()),
            "conversation_id": str(uuid4()),
            "epoch": 1,
            "messages": [*earlier, {"role": "user", "text": text}],
            "tools": [],
            "llm": {"provider": "openai", "model": "m"},
            "max_steps": 8,
            "deadline_s": 60,
            **changes,
        }
        connector = aiohttp.UnixConnector(launched.endpoint_url.removeprefix("unix:"))
        headers = {"Authorization": f"Bearer {sha256(TOKEN.encode()).hexdigest()}"}
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.post("http://worker/runs", json=body, headers=headers) as answer,
        ):
            return json.loads((await answer.text()).splitlines()[-1])


def request_of(flow: Json) -> LaunchRequest:
    runtime = {"shell": "Langflow", "flow": f"sha256:{'0' * 64}"}
    spec = AgentSpec.model_validate({"name": "flow", "system_prompt": "A flow.", "runtime": runtime})
    return LaunchRequest(uuid4(), uuid4(), "flow", 1, spec, TOKEN, flow)


def starter(title: str) -> Json:
    return json.loads(starter_flows()[title])


def agent_with_tools() -> Json:
    """A Chat Input, an Agent that is handed the platform's tools, a Chat Output."""
    tools = node_of("TextInput", "Tools-1")
    tools["data"]["type"] = "KgentsTools"
    node = tools["data"]["node"]
    node["template"] |= {"code": node["template"]["code"] | {"value": tools_component()}}
    node["template"]["patterns"] = node["template"]["input_value"] | {"value": "time.*", "name": "patterns"}
    node["outputs"] = [{"name": "tools", "method": "build_tools", "types": ["Tool"], "display_name": "Tools"}]
    flow = starter("Multi Agent Flow")
    (agent,) = [row for row in flow["data"]["nodes"] if row["id"] == "Agent-maf-1"]
    kept = [row for row in flow["data"]["nodes"] if row["data"].get("type") in ("ChatInput", "ChatOutput")]
    takes, gives = sorted(kept, key=lambda row: str(row["data"]["type"]))
    edges = [
        edge_of(takes, "message", agent, "input_value"),
        edge_of(tools, "tools", agent, "tools"),
        edge_of(agent, "response", gives, "input_value"),
    ]
    return {"name": "With tools", "data": {"nodes": [takes, tools, agent, gives], "edges": edges}}


def edge_of(source: Json, output: str, target: Json, into: str) -> Json:
    kind = "Tool" if output == "tools" else "Message"
    leaves = {"dataType": source["data"]["type"], "id": source["id"], "name": output, "output_types": [kind]}
    enters = {"fieldName": into, "id": target["id"], "inputTypes": [kind], "type": "other"}
    data = {"sourceHandle": leaves, "targetHandle": enters}
    handles = {name: json.dumps(value).replace('"', "œ") for name, value in data.items()}
    return {"source": source["id"], "target": target["id"], "data": data, **handles}


@pytest.fixture(scope="module")
def nothing_is_made_outside() -> Generator[None]:
    """lfx makes a folder for itself where it reads its settings: in its sandbox's scratch, never beside it."""
    before = Path(SCRATCH_INSIDE).exists()
    yield
    assert Path(SCRATCH_INSIDE).exists() == before


@pytest.fixture(scope="module")
async def bench(short_folder: Callable[[], Path], nothing_is_made_outside: None) -> AsyncGenerator[FlowBench]:
    """One fork server for all flows of this module: it takes seconds to load lfx."""
    home = short_folder()
    door = FlowDoor()
    runner = web.AppRunner(door.app(), shutdown_timeout=0.2)
    await runner.setup()
    environment = await asyncio.to_thread(flow_environment)
    launcher = ProcessLauncher(
        ProcessLauncherOptions(
            run_dir=home / "run",
            logs_dir=home / "logs",
            door=f"unix:{home}/door/door.sock",
            door_dir=home / "door",
            langflow_dir=environment,
        )
    )
    await launcher.start()
    await web.UnixSite(runner, home / "door" / "door.sock").start()
    (home / "door" / "door.sock").chmod(0o666)
    if (why := await launcher.why_not("Langflow")) is not None:
        await launcher.close(1)
        await runner.cleanup()
        pytest.skip(why)
    yield FlowBench(launcher, door)
    await launcher.close(2)
    await runner.cleanup()


@pytest.fixture(autouse=True)
def _forget(bench: FlowBench) -> None:
    for kept in (bench.door.answers, bench.door.asked, bench.door.steps, bench.door.tool_calls):
        kept.clear()


@pytest.fixture(scope="module")
async def prompting(bench: FlowBench) -> Launched:
    return await bench.started(starter("Basic Prompting"))


@pytest.fixture(scope="module")
async def three_agents(bench: FlowBench) -> Launched:
    return await bench.started(starter("Multi Agent Flow"))


@pytest.fixture(scope="module")
async def with_tools(bench: FlowBench) -> Launched:
    return await bench.started(agent_with_tools())


async def test_every_starter_flow_that_is_not_refused_answers_a_message(bench: FlowBench):
    refused = {"Hybrid Search RAG", "Meeting Summary", "Research Translation Loop"}
    flows = {title: json.loads(body) for title, body in starter_flows().items() if title not in refused}
    known = catalogue()
    kinds = {
        title: {known.named(str(node["data"].get("type"))) for node in flow["data"]["nodes"]}
        for title, flow in flows.items()
    }
    assert {title for title, found in kinds.items() if not found & components_not_here().keys()} == RUNS
    told: dict[str, str] = {}
    for title in sorted(RUNS):
        launched = await bench.started(flows[title])
        event = await bench.ask(launched, "Tell me of the sea.")
        told[title] = event["type"]
        assert str(event.get("text", "")).startswith("Heard: "), event
        await bench.launcher.stop(launched.instance_id, 0)
    assert told == dict.fromkeys(RUNS, "final")
    runs = {run for run, _ in bench.door.asked}
    assert len(runs) == len(RUNS)
    assert len(bench.door.asked) == len(RUNS) + 2  # the Multi Agent Flow has three agents


async def test_every_component_that_is_not_refused_can_be_loaded(bench: FlowBench):
    names = [name for name in component_names() if name not in components_not_here()]
    nodes = [node_of(name, f"Node-{place}") for place, name in enumerate(names)]
    launched = await bench.started({"name": "All", "data": {"nodes": nodes, "edges": []}})
    assert len(names) > 60
    await bench.launcher.stop(launched.instance_id, 0)


async def test_messages_at_once_each_ask_the_model_for_their_own_run(bench: FlowBench, prompting: Launched):
    runs = {text: str(uuid4()) for text in ("one", "two", "three")}
    events = await asyncio.gather(*(bench.ask(prompting, text, run_id=run) for text, run in runs.items()))
    assert [event["text"] for event in events] == [f"Heard: {text}" for text in runs]
    assert {run: said(body) for run, body in bench.door.asked} == {run: text for text, run in runs.items()}


async def test_an_agent_of_a_flow_is_told_what_was_said_before(bench: FlowBench, three_agents: Launched):
    earlier = ({"role": "user", "text": "I am Ada."}, {"role": "assistant", "text": "Hello Ada."})
    await bench.ask(three_agents, "Who am I?", *earlier)
    first = bench.door.asked[0][1]["messages"]
    assert [row["content"] for row in first if row["role"] != "system"] == ["I am Ada.", "Hello Ada.", "Who am I?"]


async def test_a_flows_agent_calls_the_registrys_tools_each_stored_first(bench: FlowBench, with_tools: Launched):
    bench.door.answers += [asks_for_tool("time_now", {"zone": "UTC"}), completion({"content": "Noon."})]
    event = await bench.ask(with_tools, "What time is it?", tools=[TOOL, TOOL | {"name": "mail.send"}])
    assert event == {"type": "final", "text": "Noon.", "tool_calls": []}
    (step,) = bench.door.steps
    (called,) = bench.door.tool_calls
    assert step["tool_calls"] == [{"id": called["tool_call_id"], "name": "time.now", "arguments": {"zone": "UTC"}}]
    offered = [tool["function"]["name"] for tool in bench.door.asked[0][1]["tools"]]
    assert "time_now" in offered
    assert "mail_send" not in offered
    assert bench.door.asked[1][1]["messages"][-1]["content"] == "It is noon."


async def test_a_flow_that_is_begun_again_makes_no_tool_call_twice(bench: FlowBench, with_tools: Launched):
    call = {"id": "call-1", "name": "time.now", "arguments": {"zone": "UTC"}}
    messages = [
        {"role": "user", "text": "What time is it?"},
        {"role": "assistant", "text": "", "tool_calls": [call]},
        {"role": "tool", "text": "It was noon.", "tool_call_id": "call-1"},
    ]
    bench.door.answers += [asks_for_tool("time_now", {"zone": "UTC"}), completion({"content": "Noon."})]
    event = await bench.ask(with_tools, "", messages=messages, tools=[TOOL])
    assert (event["text"], bench.door.steps, bench.door.tool_calls) == ("Noon.", [], [])
    assert bench.door.asked[1][1]["messages"][-1]["content"] == "It was noon."


async def test_what_the_door_refuses_is_why_the_flow_failed(bench: FlowBench, prompting: Launched):
    bench.door.answers.append(429)
    event = await bench.ask(prompting, "Hello")
    assert event == {
        "type": "failed",
        "code": "provider_rate_limited",
        "detail": "The provider wants a pause.",
        "status": 429,
    }
    assert len(bench.door.asked) == 1
    assert (await bench.ask(prompting, "Again"))["text"] == "Heard: Again"


async def test_a_flow_asks_its_models_as_often_as_its_steps_allow(bench: FlowBench, three_agents: Launched):
    event = await bench.ask(three_agents, "Hello", max_steps=2)
    assert (event["type"], event["code"], len(bench.door.asked)) == ("failed", "max_steps_reached", 2)


async def test_a_component_that_fails_says_why(bench: FlowBench):
    launched = await bench.started(starter("Financial Report Parser"))
    event = await bench.ask(launched, "Hello")
    assert (event["type"], event["code"], event["status"]) == ("failed", "flow_failed", 502)
    assert event["detail"].startswith("The flow failed: Error building Component Read File: No files")


async def test_a_flow_that_lfx_cannot_read_is_no_healthy_worker(bench: FlowBench):
    flow = starter("Basic Prompting")
    for node in flow["data"]["nodes"]:
        if node["data"].get("type") == "ChatInput":
            node["data"]["node"]["template"]["code"]["value"] = "import nothing_of_that_name"
    launched = await bench.launcher.launch(request_of(flow))
    with pytest.raises(LaunchError, match="ended before it was healthy"):
        await bench.launcher.wait_healthy(launched.instance_id, 60)
    assert "nothing_of_that_name" in "\n".join(await bench.launcher.logs(launched.agent_id, 50))
