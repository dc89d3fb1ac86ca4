"""`POST /agents/{agent}/message`."""

from typing import Any, cast

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from agent_runtime_service.dependencies import AgentsInvoke
from agent_runtime_service.execution.active import WAITING
from agent_runtime_service.messages.answers import answer_body, failure_of
from agent_runtime_service.messages.schemas import MessageAnswer, MessageRequest, MessageWaiting
from agent_runtime_service.messages.service import MessageService
from agent_runtime_service.messages.streaming import run_events
from kgents_shared.errors import FaultItem, InvalidInput
from kgents_shared.http.openapi import refusals

router = APIRouter(prefix="/api/v1/agents", tags=["messages"])
_NO_BUFFER = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_MAX_KEY_CHARS = 255
# Headers are read by hand and told to OpenAPI here: each injected parameter is felt on the platform's hottest path.
_OPENAPI: dict[str, Any] = {
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


@router.post(
    "/{agent}/message",
    response_model=MessageAnswer,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
        202: {"model": MessageWaiting, "description": "A tool that the agent wants to call needs an approval."},
    }
    | refusals(409, 429, 502, 504),
    openapi_extra=_OPENAPI,
)
async def send_message(agent: str, body: MessageRequest, principal: AgentsInvoke, request: Request) -> Response:
    """Send a message and wait for the answer; with `Accept: text/event-stream` it streams.

    `name@3` asks for version 3, `name@canary` for the canary; a conversation stays with the version that it began with.
    The run goes on when the client goes away. Where it needs a person's approval it waits, and the answer is a 202 at
    once (the stream ends with `waiting_approval`); the same request under its Idempotency-Key has the answer later.
    """
    messages = cast("MessageService", request.app.state.messages)
    accepted = await messages.accept(principal, agent, body, _key(request.headers.get("idempotency-key")))
    if "text/event-stream" in request.headers.get("accept", ""):
        listener = accepted.active.feed.listen() if accepted.active is not None else None
        events = run_events(messages, accepted, listener)
        return StreamingResponse(events, media_type="text/event-stream", headers=_NO_BUFFER)
    ended = await messages.outcome(accepted)
    if ended.end.fault is not None:
        raise failure_of(accepted, ended.end)
    status = 202 if ended.end.status == WAITING else 200
    return Response(orjson.dumps(answer_body(accepted, ended)), status, media_type="application/json")


def _key(given: str | None) -> str | None:
    if given is None or (0 < len(given) <= _MAX_KEY_CHARS and given.isascii() and given.isprintable()):
        return given
    sentence = f"must be 1 to {_MAX_KEY_CHARS} printable ASCII characters"
    fault = FaultItem(("header", "Idempotency-Key"), sentence, "bad_key")
    raise InvalidInput("The Idempotency-Key can't be used.", errors=[fault])
