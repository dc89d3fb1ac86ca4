"""Runs told over OTLP: to a server that takes it as OpenTelemetry's collector, Langfuse and LangSmith do."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pydantic import SecretStr

from kgents_shared.contracts.tools import InvokeToolRequest
from kgents_shared.contracts.worker import ToolCallResult
from kgents_shared.testing.model_server import ModelServer, StatusFault
from kgents_shared.testing.polling import eventually
from tests.external.runtime_siblings import RuntimeSiblings

TOOLS: dict[str, Any] = {"tools": {"allow": ["time.*"]}}
LANGFUSE = "Authorization=Basic%20cGstbGYtMTpzay1sZi0x"
LANGSMITH = "x-api-key=lsv2_pt_1,Langsmith-Project=support"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@dataclass
class Collector:
    """What arrived at `/…/v1/traces`; it answers with `status`."""

    url: str = ""
    status: int = 200
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list[tuple[str, dict[str, str]]])
    spans: list[Span] = field(default_factory=list[Span])
    services: set[str] = field(default_factory=set[str])

    async def take(self, request: web.Request) -> web.Response:
        self.requests.append((request.path, dict(request.headers)))
        told = ExportTraceServiceRequest.FromString(await request.read())
        if self.status == 200:
            for group in told.resource_spans:
                self.services |= {entry.value.string_value for entry in group.resource.attributes}
                self.spans += [span for scope in group.scope_spans for span in scope.spans]
        return web.Response(status=self.status)

    async def of_run(self, run_id: str, spans: int) -> dict[str, Span]:
        """The spans of the run's trace by their names, once there are so many."""

        async def found() -> dict[str, Span] | None:
            run = next((span for span in self.spans if fields(span).get("kgents.run.id") == run_id), None)
            mine = [] if run is None else [span for span in self.spans if span.trace_id == run.trace_id]
            return {span.name: span for span in mine} if len(mine) >= spans else None

        return await eventually(found, describe="the spans arrive") or {}


def fields(span: Span) -> dict[str, Any]:
    """A span's attributes."""
    return {entry.key: getattr(entry.value, entry.value.WhichOneof("value") or "") for entry in span.attributes}


@pytest.fixture
async def collector() -> AsyncGenerator[Collector]:
    found = Collector()
    app = web.Application()
    app.router.add_post("/{place:.*}", found.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


async def test_a_run_is_told_by_the_conventions_below_the_trace_of_its_caller(start_runtime: Any, collector: Collector):
    settings = {"otlp_endpoint": f"{collector.url}/api/public/otel", "otlp_headers": SecretStr(LANGFUSE)}
    async with start_runtime(**settings) as runtime:
        await runtime.add_agent(**TOOLS)
        headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
        answer = await runtime.say('call time.now {"zone": "UTC"}', headers=headers)
        spans = await collector.of_run(answer["run_id"], 4)
    path, sent = collector.requests[0]
    assert path == "/api/public/otel/v1/traces"
    assert (sent["Authorization"], sent["Content-Type"]) == ("Basic cGstbGYtMTpzay1sZi0x", "application/x-protobuf")
    assert collector.services == {"kgents"}
    run, chat, tool = spans["invoke_agent helper"], spans["chat fake-model"], spans["execute_tool time.now"]
    assert (run.trace_id.hex(), run.parent_span_id.hex()) == (TRACE, PARENT)
    assert chat.parent_span_id == tool.parent_span_id == run.span_id
    assert run.start_time_unix_nano <= tool.start_time_unix_nano <= tool.end_time_unix_nano <= run.end_time_unix_nano
    told = fields(run)
    assert (told["gen_ai.operation.name"], told["gen_ai.agent.name"]) == ("invoke_agent", "helper")
    assert told["gen_ai.conversation.id"] == answer["conversation_id"]
    asked = fields(chat)
    assert (asked["gen_ai.operation.name"], asked["gen_ai.provider.name"]) == ("chat", "openai")
    assert asked["gen_ai.request.model"] == "fake-model"
    assert asked["gen_ai.usage.input_tokens"] > 0
    assert fields(tool)["gen_ai.tool.name"] == "time.now"
    everything = "".join(str(span) for span in collector.spans)
    assert "UTC" not in everything  # what was said is nobody's business unless the operator says so


async def test_what_was_said_is_told_where_the_operator_says_so_without_secrets(
    start_runtime: Any, collector: Collector, model: ModelServer
):
    settings = {
        "otlp_traces_endpoint": f"{collector.url}/otel/v1/traces", "otlp_headers": SecretStr(LANGSMITH),
        "telemetry_content": True, "telemetry_service": "my-agents",
    }  # fmt: skip
    async with start_runtime(**settings) as runtime:
        await runtime.add_agent(**TOOLS)
        answer = await runtime.say('call time.now {"zone": "UTC", "api_key": "sk-canary0123456789abcdef"}')
        spans = await collector.of_run(answer["run_id"], 4)
        model.script(StatusFault(401, "no"))
        failed = (await runtime.send("Hello")).json()
        broken = await collector.of_run(failed["run_id"], 2)
    path, sent = collector.requests[0]
    assert (path, sent["x-api-key"], sent["Langsmith-Project"]) == ("/otel/v1/traces", "lsv2_pt_1", "support")
    assert collector.services == {"my-agents"}
    tool = fields(spans["execute_tool time.now"])
    assert tool["gen_ai.tool.call.arguments"] == '{"zone":"UTC","api_key":"***"}'
    assert "The tool answered: time.now" in fields(spans["invoke_agent helper"])["gen_ai.output.messages"]
    asked = fields(spans["chat fake-model"])
    assert '"role":"system"' in asked["gen_ai.input.messages"]
    assert '"role":"assistant"' in asked["gen_ai.output.messages"]
    assert "canary" not in "".join(str(span) for span in collector.spans)
    assert broken["invoke_agent helper"].status.code == 2
    assert fields(broken["chat fake-model"])["error.type"] == "provider_refused"


async def test_an_agent_that_was_asked_is_told_below_the_call_that_asked(
    start_runtime: Any, collector: Collector, siblings: RuntimeSiblings
):
    async with start_runtime(otlp_endpoint=collector.url) as runtime:

        async def ask(call: InvokeToolRequest) -> ToolCallResult:
            question = {
                "owner_id": call.owner_id, "principal": call.principal, "agent": "expert", "text": "What is tea?",
                "key": call.idempotency_key, "run_id": str(call.run_id), "hops": [str(hop) for hop in call.hops],
            }  # fmt: skip
            headers = runtime.issuer.service("tools", "runtime")
            answered = await runtime.http.post("/internal/agents/ask", json=question, headers=headers)
            return ToolCallResult(content=answered.json()["text"])

        siblings.invoke = ask
        await runtime.add_agent(**TOOLS)
        await runtime.add_agent("expert")
        answer = await runtime.say("call time.now")
        spans = await collector.of_run(answer["run_id"], 6)
    assert spans["invoke_agent expert"].parent_span_id == spans["execute_tool time.now"].span_id


async def test_runs_do_not_wait_for_a_far_side_that_is_away_and_what_is_dropped_is_counted(
    start_runtime: Any, collector: Collector
):
    collector.status = 400
    async with start_runtime(otlp_endpoint=collector.url) as runtime:
        await runtime.add_agent()
        exporter = runtime.front.app.state.run_notes.ended.__self__
        for number in range(3):
            await runtime.say(f"Hello {number}")
        await eventually(lambda: exporter.dropped == 3, describe="refused batches are dropped")
        collector.status = 503
        await runtime.say("Hello")
        await eventually(lambda: len(collector.requests) >= 2, describe="it is tried again later")
        assert exporter.sent == 0
    assert exporter.dropped == 4  # what was left was tried once more at the end
