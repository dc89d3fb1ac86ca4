"""`/v1/responses`: OpenAI's responses, which are runs."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, cast
from uuid import UUID

import orjson
from fastapi import Depends, Request, Response
from fastapi.responses import StreamingResponse

from agent_runtime_service.dependencies import AgentsInvoke, CancellingDep, ConversationsWrite, RunsRead, RunsWrite
from agent_runtime_service.event_streams import NO_BUFFER
from agent_runtime_service.messages.answering import KEY_HEADER, given_key
from agent_runtime_service.messages.answers import failure_of
from agent_runtime_service.messages.service import Accepted, MessageService
from agent_runtime_service.openai_api.endpoints import run_headers
from agent_runtime_service.openai_api.ignored import ignored_in
from agent_runtime_service.openai_api.refusals import OpenAiRoute
from agent_runtime_service.openai_api.response_answers import (
    Asked,
    Outcome,
    ended_object,
    response_events,
    response_object,
    stored_object,
)
from agent_runtime_service.openai_api.response_schemas import DeletedResponse, ResponseObject, ResponseRequest
from agent_runtime_service.openai_api.service import ResponseService
from agent_runtime_service.openai_api.spoken import refuse_waiting
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

router = Router(prefix="/v1/responses", tags=["openai"], route_class=OpenAiRoute)


async def _responses(request: Request) -> ResponseService:
    return cast("ResponseService", request.app.state.responses)


_Responses = Annotated[ResponseService, Depends(_responses)]


@router.post(
    "",
    response_model=ResponseObject,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}}
    | refusals(404, 409, 429, 502, 504),
    openapi_extra=KEY_HEADER,
)
async def create_response(
    body: ResponseRequest, principal: AgentsInvoke, request: Request, responses: _Responses
) -> Response:
    """Ask an agent as OpenAI's responses are asked for. Its id is the run's, its conversation one of the caller's.

    A run that waits for somebody's approval is `in_progress`: it goes on by itself, and `GET` has its end. One that
    isn't to be stored is cancelled instead, and 409.
    """
    messages = cast("MessageService", request.app.state.messages)
    accepted = await responses.begin(principal, body, given_key(request))
    headers = run_headers(accepted) | ignored_in(body)
    asked = Asked(body.model, body.previous_response_id, bool(body.background), body.metadata or {}, body.is_stored)
    if body.stream:
        listener = accepted.active.feed.listen() if accepted.active is not None else None
        events = _forgotten(response_events(messages, accepted, listener, asked), responses, accepted, body)
        return StreamingResponse(events, media_type="text/event-stream", headers=NO_BUFFER | headers)
    if body.background:
        return _json(response_object(accepted.run_id, accepted.conversation_id, asked, Outcome("queued")), headers)
    try:
        ended = await messages.outcome(accepted)
    finally:
        await responses.forget(accepted, body)
    if ended.end.fault is not None:
        raise failure_of(accepted, ended.end)
    if not asked.is_stored:
        refuse_waiting(accepted, ended, is_stored=False)
    return _json(ended_object(accepted, ended, asked), headers)


@router.get("/{run_id}", response_model=ResponseObject)
async def get_response(run_id: UUID, principal: RunsRead, responses: _Responses) -> Response:
    """One response of the caller's, whatever its state."""
    return _json(stored_object(await responses.find(principal.owner_ids, run_id)))


@router.post("/{run_id}/cancel", response_model=ResponseObject)
async def cancel_response(
    run_id: UUID, principal: RunsWrite, responses: _Responses, cancelling: CancellingDep
) -> Response:
    """End a response before its time; one that has ended is answered as it is."""
    await responses.find(principal.owner_ids, run_id)
    await cancelling.cancel(principal.owner_ids, run_id)
    return _json(stored_object(await responses.find(principal.owner_ids, run_id)))


@router.delete("/{run_id}", responses=refusals(409))
async def delete_response(run_id: UUID, principal: ConversationsWrite, responses: _Responses) -> DeletedResponse:
    """Delete a response with its conversation; 409 where the conversation has others."""
    await responses.delete(principal.owner_ids, run_id)
    return DeletedResponse(id=str(run_id), object="response", deleted=True)


async def _forgotten(
    events: AsyncGenerator[bytes], responses: ResponseService, accepted: Accepted, body: ResponseRequest
) -> AsyncGenerator[bytes]:
    """The events, behind which nothing is left of what isn't to be stored."""
    try:
        async with aclosing(events):
            async for event in events:
                yield event
    finally:
        await responses.forget(accepted, body)


def _json(document: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(document), media_type="application/json", headers=headers)
