"""`POST /agents/{agent}/message`."""

from typing import Annotated

import orjson
from fastapi import APIRouter, Header, Response
from fastapi.responses import StreamingResponse

from agent_runtime_service.dependencies import AgentsInvoke, IdempotencyKey, MessageServiceDep
from agent_runtime_service.messages.answers import answer_body, failure_of
from agent_runtime_service.messages.schemas import MessageAnswer, MessageRequest
from agent_runtime_service.messages.streaming import run_events

router = APIRouter(prefix="/api/v1/agents", tags=["messages"])
_NO_BUFFER = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@router.post(
    "/{agent}/message",
    response_model=MessageAnswer,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def send_message(
    agent: str,
    body: MessageRequest,
    principal: AgentsInvoke,
    messages: MessageServiceDep,
    key: IdempotencyKey,
    accept: Annotated[str, Header()] = "",
) -> Response:
    """Send a message and wait for the answer; with `Accept: text/event-stream` it streams.

    The run goes on when the client goes away. Sent again under the same `Idempotency-Key`, the same run answers.
    """
    accepted = await messages.accept(principal, agent, body, key)
    if "text/event-stream" in accept:
        listener = accepted.active.feed.listen() if accepted.active is not None else None
        events = run_events(messages, accepted, listener)
        return StreamingResponse(events, media_type="text/event-stream", headers=_NO_BUFFER)
    ended = await messages.outcome(accepted)
    if ended.end.fault is not None:
        raise failure_of(accepted, ended.end)
    return Response(orjson.dumps(answer_body(accepted, ended)), media_type="application/json")
