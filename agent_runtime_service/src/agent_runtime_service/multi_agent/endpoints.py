"""`/api/v1/multi_agent`: contexts of several agents, by the paths that document 003 names."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response, status
from pydantic import StringConstraints

from agent_runtime_service.dependencies import AgentsInvoke, ConversationsRead, InstancesKnownDep, MultiAgentDep
from agent_runtime_service.errors import ParticipantNotFound
from agent_runtime_service.instances.directory import InstanceDirectory
from agent_runtime_service.messages.answering import KEY_HEADER, given_key
from agent_runtime_service.multi_agent.repository import StoredContext
from agent_runtime_service.multi_agent.schemas import (
    ContextChanges,
    ContextMessage,
    ContextMetrics,
    ContextView,
    ExchangeView,
    HistoryMessage,
    NewContext,
    NewParticipant,
    NewState,
    ParticipantView,
    StateView,
)
from kgents_shared.auth import OfOrganisation, owner_of_new
from kgents_shared.db import Cursor, Page, PageQuery, foreign_cursor, make_page
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/multi_agent", tags=["multi-agent contexts"])
AsAgent = Annotated[
    Annotated[str, StringConstraints(min_length=1, max_length=128)] | None,
    Query(description="only what this participant may see"),
]


@router.post("/context", status_code=status.HTTP_201_CREATED, responses=refusals(409), openapi_extra=KEY_HEADER)
async def create_group_context(
    body: NewContext,
    principal: AgentsInvoke,
    request: Request,
    contexts: MultiAgentDep,
    known: InstancesKnownDep,
    organisation: OfOrganisation = None,
) -> ContextView:
    """Make a context in which several of your agents answer."""
    owner_id = owner_of_new(principal, organisation)
    return _view(await contexts.create(principal, owner_id, body, given_key(request)), known)


@router.get("/context")
async def list_group_contexts(
    page: PageQuery, principal: ConversationsRead, contexts: MultiAgentDep, known: InstancesKnownDep
) -> Page[ContextView]:
    """Your contexts and your organisations', newest first."""
    rows = await contexts.contexts.page(principal.owner_ids, page)
    return make_page(rows, page, item=lambda row: _view(row, known), key=lambda row: (str(row.id),))


@router.get("/context/{context_id}")
async def get_group_context(
    context_id: UUID, principal: ConversationsRead, contexts: MultiAgentDep, known: InstancesKnownDep
) -> ContextView:
    """One context with everybody who takes or took part."""
    return _view(await contexts.found(principal.owner_ids, context_id), known)


@router.put("/context/{context_id}")
async def update_group_context(
    context_id: UUID, body: ContextChanges, principal: AgentsInvoke, contexts: MultiAgentDep, known: InstancesKnownDep
) -> ContextView:
    """Change what is named; `{"status": "closed"}` ends it, and `active` opens it again."""
    return _view(await contexts.change(principal, context_id, body), known)


@router.delete("/context/{context_id}", status_code=status.HTTP_204_NO_CONTENT)
async def delete_group_context(context_id: UUID, principal: AgentsInvoke, contexts: MultiAgentDep) -> None:
    """Delete a context with what was said in it; the agents' own conversations stay until they are deleted."""
    await contexts.found(principal.owner_ids, context_id)
    await contexts.contexts.delete(principal.owner_ids, context_id)


@router.get("/context/{context_id}/agents")
async def list_participants(
    context_id: UUID, principal: ConversationsRead, contexts: MultiAgentDep, known: InstancesKnownDep
) -> Page[ParticipantView]:
    """Who takes part, or did, and whether it is well; all on one page."""
    return Page(items=_view(await contexts.found(principal.owner_ids, context_id), known).agents)


@router.post("/context/{context_id}/agents", status_code=status.HTTP_201_CREATED, responses=refusals(409))
async def join_group_context(
    context_id: UUID, body: NewParticipant, principal: AgentsInvoke, contexts: MultiAgentDep, known: InstancesKnownDep
) -> ContextView:
    """Have an agent take part: it sees what is said from now on.

    One that takes part already has this role and visibility from now on.
    """
    return _view(await contexts.join(principal, context_id, body), known)


@router.delete("/context/{context_id}/agents/{agent}", status_code=status.HTTP_204_NO_CONTENT)
async def leave_group_context(context_id: UUID, agent: str, principal: AgentsInvoke, contexts: MultiAgentDep) -> None:
    """Have an agent take part no longer; what it said stays."""
    await contexts.leave(principal, context_id, agent)


@router.get("/context/{context_id}/history")
async def list_history(
    context_id: UUID, page: PageQuery, principal: ConversationsRead, contexts: MultiAgentDep, agent: AsAgent = None
) -> Page[HistoryMessage]:
    """What was said, oldest first: all of it, or with `agent` what that one may see."""
    context = await contexts.found(principal.owner_ids, context_id)
    agent_id = None if agent is None else _participant_in(context, agent)
    rows = await contexts.contexts.history(context_id, _seq_in(page.after), page.limit + 1, agent_id)
    return make_page(rows, page, item=lambda row: row, key=lambda row: (str(row.seq),))


@router.get("/context/{context_id}/metrics")
async def get_metrics(context_id: UUID, principal: ConversationsRead, contexts: MultiAgentDep) -> ContextMetrics:
    """Messages, tokens, cost and times, in all and by agent, from what is stored."""
    await contexts.found(principal.owner_ids, context_id)
    return await contexts.contexts.metrics(context_id)


@router.post("/context/{context_id}/persist", responses=refusals(409, 413))
async def persist_state(
    context_id: UUID, body: NewState, principal: AgentsInvoke, contexts: MultiAgentDep
) -> StateView:
    """Keep something with a context, in place of what was kept; agents don't see it."""
    return await contexts.persist(principal, context_id, body)


@router.get("/context/{context_id}/state")
async def get_state(context_id: UUID, principal: ConversationsRead, contexts: MultiAgentDep) -> StateView:
    """What is kept with a context."""
    return await contexts.state(principal.owner_ids, context_id)


@router.post(
    "/message",
    response_model=ExchangeView,
    responses={202: {"model": ExchangeView, "description": "The agents answer; the history has it."}}
    | refusals(404, 409, 429),
    openapi_extra=KEY_HEADER,
)
async def send_to_context(
    body: ContextMessage, principal: AgentsInvoke, request: Request, contexts: MultiAgentDep
) -> Response:
    """Say something in a context: to all who take part, to some, or to one; and have their answers.

    It goes on when the client goes away. A context has one message under way: the next one waits for its answers, and
    is refused with 409 `context_busy` after half a minute.
    """
    exchange = await contexts.send(principal, body, given_key(request))
    return Response(
        exchange.model_dump_json(),
        status.HTTP_200_OK if exchange.status == "ended" else status.HTTP_202_ACCEPTED,
        media_type="application/json",
    )


def _participant_in(context: StoredContext, agent: str) -> UUID:
    for one in context.participants:
        if agent in (str(one.agent_id), one.agent_name):
            return one.agent_id
    raise ParticipantNotFound(f"{agent} takes no part in this context.")


def _seq_in(after: Cursor | None) -> int:
    if after is None:
        return 0
    if len(after) != 1 or not after[0].isdecimal() or int(after[0]) >= 2**31:
        raise foreign_cursor()
    return int(after[0])


def _view(context: StoredContext, known: InstanceDirectory) -> ContextView:
    return ContextView.model_validate(
        {
            "id": context.id,
            "owner_id": context.owner_id,
            "name": context.name,
            "collaboration_model": context.collaboration_model,
            "status": context.status,
            "metadata": context.details,
            "messages": context.last_seq,
            "agents": [
                {
                    "agent_id": one.agent_id,
                    "agent": one.agent_name,
                    "role": one.role,
                    "visibility": one.visibility,
                    "healthy": known.choose(one.agent_id) is not None,
                    "conversation_id": one.conversation_id,
                    "joined_seq": one.joined_seq,
                    "joined_at": one.joined_at,
                    "left_at": one.left_at,
                }
                for one in context.participants
            ],
            "created_at": context.created_at,
            "last_activity": context.last_activity,
        }
    )
