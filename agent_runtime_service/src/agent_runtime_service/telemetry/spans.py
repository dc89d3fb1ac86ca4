"""Runs as spans of OTLP, by OpenTelemetry's semantic conventions for generative AI.

An agent's run is `invoke_agent`, below it each call of a model is `chat` and each call of a tool `execute_tool`; the
run of an agent that was asked stands below the call that asked. What was said is left out unless the operator wants it
told.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from agent_runtime_service.telemetry.told import Told
from agent_runtime_service.telemetry.traceparent import read_traceparent
from agent_runtime_service.traces.records import ModelCallRecord, RunRecords, StepRecord, ToolCallRecord
from agent_runtime_service.traces.shown import Shown

# As the conventions name them, where they do.
_PROVIDERS: Final[Mapping[str, str]] = {"google": "gcp.gemini"}
_MICROSECOND: Final = timedelta(microseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SHOWN: Final = Shown(20_000)


def export_request(told: list[Told], service: str, *, with_content: bool) -> bytes:
    """The body of `POST /v1/traces`."""
    spans = [span for one in told for span in _spans(one, with_content=with_content)]
    scope = ScopeSpans(scope=InstrumentationScope(name="kgents.runtime"), spans=spans)
    resource = Resource(attributes=[_text("service.name", service)])
    group = ResourceSpans(resource=resource, scope_spans=[scope])
    return ExportTraceServiceRequest(resource_spans=[group]).SerializeToString()


def _spans(told: Told, *, with_content: bool) -> Iterator[Span]:
    records, run = told.records, told.records.run
    above = read_traceparent(told.traceparent)
    trace_id = above[0] if above is not None else told.root.bytes
    run_id = _span_id(run.id)
    ended = run.ended_at or datetime.now(UTC)
    yield Span(
        trace_id=trace_id,
        span_id=run_id,
        parent_span_id=_parent(told, above),
        name=f"invoke_agent {run.agent_name}",
        kind=Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=_nanoseconds(run.created_at),
        end_time_unix_nano=_nanoseconds(ended),
        attributes=list(_of_run(records, with_content=with_content)),
        status=_status(None if run.error is None else str(run.error["code"])),
    )
    said = [step for step in records.steps if step.kind in {"assistant", "final"}]
    for call in records.model_calls:
        began = call.created_at - timedelta(milliseconds=call.duration_ms)
        yield Span(
            trace_id=trace_id,
            span_id=_span_id(call.id),
            parent_span_id=run_id,
            name=f"chat {call.model}",
            kind=Span.SPAN_KIND_CLIENT,
            start_time_unix_nano=_nanoseconds(began),
            end_time_unix_nano=_nanoseconds(call.created_at),
            attributes=list(_of_model_call(call, said, told.prompts if with_content else None)),
            status=_status(call.error),
        )
    for call in records.tool_calls:
        yield Span(
            trace_id=trace_id,
            span_id=bytes.fromhex(call.key[:16]),
            parent_span_id=run_id,
            name=f"execute_tool {call.name}",
            kind=Span.SPAN_KIND_INTERNAL,
            start_time_unix_nano=_nanoseconds(call.created_at),
            end_time_unix_nano=_nanoseconds(call.ended_at or ended),
            attributes=list(_of_tool_call(call, with_content=with_content)),
            status=_status(_fault_of(call)),
        )


def _parent(told: Told, above: tuple[bytes, bytes] | None) -> bytes:
    """The span of the call or run that asked; of the caller's, for the first run of all."""
    run = told.records.run
    if run.asked_by_key is not None:
        return bytes.fromhex(run.asked_by_key[:16])
    if run.asked_by_run is not None:
        return _span_id(run.asked_by_run)
    return b"" if above is None else above[1]


def _of_run(records: RunRecords, *, with_content: bool) -> Iterator[KeyValue]:
    run = records.run
    yield _text("gen_ai.operation.name", "invoke_agent")
    yield _text("gen_ai.provider.name", "kgents")
    yield _text("gen_ai.agent.id", str(run.agent_id))
    yield _text("gen_ai.agent.name", run.agent_name)
    yield _text("gen_ai.agent.version", str(run.version))
    yield _text("gen_ai.conversation.id", str(run.conversation_id))
    yield _text("session.id", str(run.conversation_id))
    yield _text("kgents.run.id", str(run.id))
    yield _text("kgents.run.status", run.status)
    yield _number("kgents.run.attempts", run.attempts)
    if run.error is not None:
        yield _text("error.type", str(run.error["code"]))
    if with_content:
        yield _text("user.id", run.principal)
        yield _text("gen_ai.input.messages", _message("user", run.question))
        answer = next((step.payload.get("text") for step in records.steps if step.kind == "final"), None)
        if isinstance(answer, str):
            yield _text("gen_ai.output.messages", _message("assistant", answer))


def _of_model_call(
    call: ModelCallRecord, said: list[StepRecord], prompts: Mapping[UUID, bytes] | None
) -> Iterator[KeyValue]:
    yield _text("gen_ai.operation.name", "chat")
    yield _text("gen_ai.provider.name", _PROVIDERS.get(call.provider, call.provider))
    # The older name, which some still read.
    yield _text("gen_ai.system", _PROVIDERS.get(call.provider, call.provider))
    yield _text("gen_ai.request.model", call.model)
    yield _number("gen_ai.usage.input_tokens", call.prompt_tokens)
    yield _number("gen_ai.usage.output_tokens", call.completion_tokens)
    if call.first_ms is not None:
        yield _number("kgents.time_to_first_token_ms", call.first_ms)
    if call.cost is not None:
        yield KeyValue(key="gen_ai.usage.cost", value=AnyValue(double_value=float(call.cost)))
    if call.error is not None:
        yield _text("error.type", call.error)
    if prompts is None:
        return
    if (prompt := prompts.get(call.id)) is not None:
        yield _text("gen_ai.input.messages", _messages_of(prompt))
    if call.error is None and call.step is not None and call.step < len(said):
        yield _text("gen_ai.output.messages", _answer(said[call.step]))


def _of_tool_call(call: ToolCallRecord, *, with_content: bool) -> Iterator[KeyValue]:
    yield _text("gen_ai.operation.name", "execute_tool")
    yield _text("gen_ai.tool.name", call.name)
    yield _text("gen_ai.tool.type", "function")
    yield _text("gen_ai.tool.call.id", call.tool_call_id)
    fault = _fault_of(call)
    if fault is not None:
        yield _text("error.type", fault)
    if with_content:
        yield _text("gen_ai.tool.call.arguments", orjson.dumps(_SHOWN.arguments(call.arguments)).decode())
        if call.result is not None:
            yield _text("gen_ai.tool.call.result", _SHOWN.text(str(call.result.get("text", ""))))


def _fault_of(call: ToolCallRecord) -> str | None:
    if call.state == "unknown":
        return "unknown"
    return "tool_error" if call.result is not None and call.result.get("is_error") else None


def _messages_of(prompt: bytes) -> str:
    """What was sent, on the provider's own wire: the messages of it, which stand under another name on each."""
    try:
        sent: dict[str, Any] = orjson.loads(prompt)
    except orjson.JSONDecodeError:
        return "[]"
    messages = sent.get("messages", sent.get("contents", []))
    return orjson.dumps(_SHOWN.value(messages)).decode()


def _answer(step: StepRecord) -> str:
    parts: list[dict[str, Any]] = []
    if text := step.payload.get("text"):
        parts.append({"type": "text", "content": _SHOWN.text(text)})
    for call in step.payload.get("tool_calls", []):
        arguments = _SHOWN.arguments(call["arguments"])
        parts.append({"type": "tool_call", "id": call["id"], "name": call["name"], "arguments": arguments})
    return orjson.dumps([{"role": "assistant", "parts": parts}]).decode()


def _message(role: str, text: str) -> str:
    return orjson.dumps([{"role": role, "parts": [{"type": "text", "content": _SHOWN.text(text)}]}]).decode()


def _status(fault: str | None) -> Status:
    if fault is None:
        return Status(code=Status.STATUS_CODE_UNSET)
    return Status(code=Status.STATUS_CODE_ERROR, message=fault)


def _text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def _number(key: str, value: int) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(int_value=value))


def _span_id(identifier: UUID) -> bytes:
    """The half of a UUIDv7 that is random."""
    return identifier.bytes[8:]


def _nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND * 1000
