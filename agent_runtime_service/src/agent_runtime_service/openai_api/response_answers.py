"""A run as OpenAI's response: the object, and the events of a stream."""

import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import orjson

from agent_runtime_service.event_streams import KEEPALIVE
from agent_runtime_service.execution.active import WAITING, AwaitedApproval
from agent_runtime_service.execution.feed import Listener
from agent_runtime_service.messages.following import follow
from agent_runtime_service.messages.service import Accepted, Ended, MessageService
from agent_runtime_service.openai_api.functions import called_in_response
from agent_runtime_service.openai_api.refusals import error_object
from agent_runtime_service.openai_api.spoken import Spoken, refuse_waiting
from agent_runtime_service.openai_api.times import made_at
from agent_runtime_service.runs.repository import StoredRun
from kgents_shared.contracts.worker import ToolCall
from kgents_shared.errors import ApiError

_STATES: Final = {WAITING: "in_progress", "running": "in_progress"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the request said that its response repeats."""

    model: str
    previous: UUID | None = None
    background: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    is_stored: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a run so far. `text` is None until it is completed."""

    status: str
    text: str | None = None
    usage: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    approvals: tuple[AwaitedApproval, ...] = ()
    calls: tuple[ToolCall, ...] = ()


def response_object(run_id: UUID, conversation_id: UUID, asked: Asked, outcome: Outcome) -> dict[str, Any]:
    """The shape of `ResponseObject`. What a run waits for stands in its metadata, which is text alone."""
    status, text, usage, error = outcome.status, outcome.text, outcome.usage, outcome.error
    told = dict(asked.metadata)
    if outcome.approvals:
        told["approvals"] = ", ".join(str(approval.approval_id) for approval in outcome.approvals)
    return {
        "id": str(run_id),
        "object": "response",
        "created_at": made_at(run_id) or int(time.time()),
        "status": _STATES.get(status, status),
        "background": asked.background,
        "conversation": {"id": str(conversation_id)},
        "error": None if error is None else {"code": error["code"], "message": error["detail"]},
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "metadata": told,
        "model": asked.model,
        "output": [] if text is None else _output(run_id, text, outcome.calls),
        "parallel_tool_calls": False,
        "previous_response_id": None if asked.previous is None else str(asked.previous),
        "store": asked.is_stored,
        "temperature": None,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "usage": None if usage is None or text is None else _usage(usage),
    }


def ended_object(accepted: Accepted, ended: Ended, asked: Asked) -> dict[str, Any]:
    """The response of a run that ended here, or waits for a person."""
    end = ended.end
    text = None if end.status == WAITING else end.text
    outcome = Outcome(end.status, text, ended.usage, approvals=end.approvals, calls=end.calls)
    return response_object(accepted.run_id, accepted.conversation_id, asked, outcome)


def stored_object(run: StoredRun) -> dict[str, Any]:
    """The response of a run as it is stored."""
    outcome = Outcome(run.status, run.text, run.usage, run.error, run.approvals, run.calls)
    return response_object(run.run_id, run.conversation_id, Asked(run.agent_name), outcome)


async def response_events(
    service: MessageService, accepted: Accepted, listener: Listener | None, asked: Asked
) -> AsyncGenerator[bytes]:
    """The events of a stream, numbered, until the response's end."""
    numbered = _Numbered()
    ids = (accepted.run_id, accepted.conversation_id, asked)
    yield numbered.event("response.created", response=response_object(*ids, Outcome("running")))
    yield numbered.event("response.in_progress", response=response_object(*ids, Outcome("running")))
    item = _Item(numbered, accepted.run_id)
    spoken = Spoken()
    try:
        async for event in follow(service, accepted, listener):
            if event is None:
                yield KEEPALIVE
            elif isinstance(event, Ended):
                if not asked.is_stored:
                    refuse_waiting(accepted, event, is_stored=False)
                if event.end.status != WAITING:
                    for told in item.end(event.end.text, spoken.end(event), event.end.calls):
                        yield told
                name = "response.in_progress" if event.end.status == WAITING else "response.completed"
                yield numbered.event(name, response=ended_object(accepted, event, asked))
            elif text := spoken.hear(event):
                for told in item.say(text):
                    yield told
    except ApiError as error:
        told_error = {"code": error_object(error)["code"], "detail": error.detail}
        status = "cancelled" if error.code == "cancelled" else "failed"
        yield numbered.event("response.failed", response=response_object(*ids, Outcome(status, error=told_error)))


class _Numbered:
    def __init__(self) -> None:
        self._number = -1

    def event(self, kind: str, **fields: Any) -> bytes:
        self._number += 1
        data = orjson.dumps({"type": kind, "sequence_number": self._number, **fields})
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)


class _Item:
    """The one message of a response, as its pieces come."""

    def __init__(self, numbered: _Numbered, run_id: UUID) -> None:
        self._numbered = numbered
        self._run_id = run_id
        self._place = {"item_id": f"msg_{run_id}", "output_index": 0, "content_index": 0}
        self._is_open = False

    def say(self, text: str) -> list[bytes]:
        """A piece of the text, behind what opens the message."""
        opening = [] if self._is_open else self._opened()
        self._is_open = True
        delta = self._numbered.event("response.output_text.delta", **self._place, delta=text, logprobs=[])
        return [*opening, delta]

    def end(self, text: str, rest: str, calls: tuple[ToolCall, ...]) -> list[bytes]:
        """The rest of the text, what closes the message, and the functions that are called."""
        told = self.say(rest) if rest or not (self._is_open or calls) else []
        event, place = self._numbered.event, self._place
        if self._is_open:
            told += [
                event("response.output_text.done", **place, text=text, logprobs=[]),
                event("response.content_part.done", **place, part=_part(text)),
                event("response.output_item.done", output_index=0, item=_message(self._run_id, text, "completed")),
            ]
        for index, item in enumerate(called_in_response(calls), start=int(self._is_open)):
            at = {"item_id": item["id"], "output_index": index}
            begun = {**item, "arguments": "", "status": "in_progress"}
            told += [
                event("response.output_item.added", output_index=index, item=begun),
                event("response.function_call_arguments.delta", **at, delta=item["arguments"]),
                event("response.function_call_arguments.done", **at, name=item["name"], arguments=item["arguments"]),
                event("response.output_item.done", output_index=index, item=item),
            ]
        return told

    def _opened(self) -> list[bytes]:
        begun = {**_message(self._run_id, "", "in_progress"), "content": []}
        return [
            self._numbered.event("response.output_item.added", output_index=0, item=begun),
            self._numbered.event("response.content_part.added", **self._place, part=_part("")),
        ]


def _output(run_id: UUID, text: str, calls: tuple[ToolCall, ...]) -> list[dict[str, Any]]:
    said = [_message(run_id, text, "completed")] if text or not calls else []
    return [*said, *called_in_response(calls)]


def _message(run_id: UUID, text: str, status: str) -> dict[str, Any]:
    return {"id": f"msg_{run_id}", "type": "message", "role": "assistant", "status": status, "content": [_part(text)]}


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    def told(name: str) -> int:
        return int(usage.get(name) or 0)

    return {
        "input_tokens": told("prompt_tokens"),
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": told("completion_tokens"),
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": told("total_tokens"),
    }
