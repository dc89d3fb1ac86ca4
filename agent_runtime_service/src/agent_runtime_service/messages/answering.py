"""The answer to a message over HTTP, whichever route it came by: JSON, or server-sent events."""

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from agent_runtime_service.event_streams import NO_BUFFER
from agent_runtime_service.execution.active import WAITING
from agent_runtime_service.messages.answers import answer_body, failure_of
from agent_runtime_service.messages.service import Accepted, MessageService
from agent_runtime_service.messages.streaming import run_events
from kgents_shared.errors import FaultItem, InvalidInput

_MAX_KEY_CHARS = 255
# Headers are read by hand and told to OpenAPI here: each injected parameter is felt on the platform's hottest path.
KEY_HEADER: dict[str, Any] = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "minLength": 1, "maxLength": _MAX_KEY_CHARS},
            "description": "Sent again with the same body, the same run answers; with another body it is refused.",
        }
    ]
}


async def answered(
    messages: MessageService, accepted: Accepted, request: Request, more: Mapping[str, Any] | None = None
) -> Response:
    """The run's end, or its events; `more` is said beside its ids. Raises the fault of a run that failed."""
    if "text/event-stream" in request.headers.get("accept", ""):
        listener = accepted.active.feed.listen() if accepted.active is not None else None
        events = run_events(messages, accepted, listener, more)
        return StreamingResponse(events, media_type="text/event-stream", headers=NO_BUFFER)
    ended = await messages.outcome(accepted)
    if ended.end.fault is not None:
        raise failure_of(accepted, ended.end)
    status = 202 if ended.end.status == WAITING else 200
    body = {**answer_body(accepted, ended), **(more or {})}
    return Response(orjson.dumps(body), status, media_type="application/json")


def given_key(request: Request) -> str | None:
    """The Idempotency-Key; raises `InvalidInput` for what is none."""
    given = request.headers.get("idempotency-key")
    if given is None or (0 < len(given) <= _MAX_KEY_CHARS and given.isascii() and given.isprintable()):
        return given
    sentence = f"must be 1 to {_MAX_KEY_CHARS} printable ASCII characters"
    fault = FaultItem(("header", "Idempotency-Key"), sentence, "bad_key")
    raise InvalidInput("The Idempotency-Key can't be used.", errors=[fault])
