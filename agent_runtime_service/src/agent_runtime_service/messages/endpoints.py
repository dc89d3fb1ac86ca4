"""`POST /agents/{agent}/message`."""

from typing import cast

from fastapi import Request, Response

from agent_runtime_service.dependencies import AgentsInvoke, may_invoke
from agent_runtime_service.execution.retries import RetryPolicy
from agent_runtime_service.messages.answering import KEY_HEADER, answered, given_key
from agent_runtime_service.messages.schemas import MessageAnswer, MessageRequest, MessageWaiting, RunBegun, RunStart
from agent_runtime_service.messages.service import MessageService, RunTerms
from agent_runtime_service.telemetry.traceparent import note_traceparent
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router
from kgents_shared.http.short_route import ShortRoute, shortened

router = Router(prefix="/api/v1/agents", tags=["messages"], route_class=ShortRoute)


@router.post(
    "/{agent}/message",
    response_model=MessageAnswer,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
        202: {"model": MessageWaiting, "description": "A tool that the agent wants to call needs an approval."},
    }
    | refusals(409, 429, 502, 504),
    openapi_extra=KEY_HEADER,
)
@shortened(may_invoke, "agent", MessageRequest)
async def send_message(agent: str, body: MessageRequest, principal: AgentsInvoke, request: Request) -> Response:
    """Send a message and wait for the answer; with `Accept: text/event-stream` it streams.

    `name@3` asks for version 3, `name@canary` for the canary; a conversation stays with the version that it began with.
    The run goes on when the client goes away. Where it needs a person's approval it waits, and the answer is a 202 at
    once (the stream ends with `waiting_approval`); the same request under its Idempotency-Key has the answer later.
    """
    messages = cast("MessageService", request.app.state.messages)
    accepted = await messages.accept(principal, agent, body, given_key(request))
    note_traceparent(request, accepted)
    return await answered(messages, accepted, request)


@router.post("/{agent}/runs", status_code=202, responses=refusals(409, 429), openapi_extra=KEY_HEADER)
async def begin_run(
    agent: str, body: RunStart, principal: AgentsInvoke, request: Request, response: Response
) -> RunBegun:
    """Send a message that nobody waits for: the answer is there at once, and says which run it is.

    The run goes on whatever becomes of the caller and of any process, and is told of at `Location`, and as it happens
    by `GET /runs/{run_id}/events`. Keys are those of messages: the same key with the same message is the same run.
    """
    messages = cast("MessageService", request.app.state.messages)
    retry = None if body.retry is None else RetryPolicy(body.retry.attempts, body.retry.backoff_s)
    terms = RunTerms(body.deadline_s, retry)
    accepted = await messages.accept(principal, agent, body, given_key(request), terms=terms)
    note_traceparent(request, accepted)
    response.headers["Location"] = f"/api/v1/runs/{accepted.run_id}"
    return RunBegun(
        run_id=accepted.run_id, conversation_id=accepted.conversation_id, status=await messages.status_of(accepted)
    )
