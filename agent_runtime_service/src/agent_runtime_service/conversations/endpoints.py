"""Reading conversations."""

from uuid import UUID

from agent_runtime_service.conversations.schemas import ConversationView, MessageView
from agent_runtime_service.dependencies import AgentFinderDep, ConversationRepositoryDep, ConversationsRead
from agent_runtime_service.errors import ConversationNotFound
from agent_runtime_service.messages.finder import meant_agent
from kgents_shared.db import Page, PageQuery, make_page
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1", tags=["conversations"])


@router.get("/conversations")
async def list_conversations(
    page: PageQuery, principal: ConversationsRead, conversations: ConversationRepositoryDep
) -> Page[ConversationView]:
    """The caller's conversations, newest first."""
    rows = await conversations.page(principal.owner_ids, page)
    return make_page(rows, page, item=lambda row: row, key=lambda row: (str(row.id),))


@router.get("/agents/{agent}/conversations")
async def list_agent_conversations(
    agent: str,
    page: PageQuery,
    principal: ConversationsRead,
    conversations: ConversationRepositoryDep,
    finder: AgentFinderDep,
) -> Page[ConversationView]:
    """The caller's conversations with one agent, newest first."""
    agent_id = await finder.agent_id(meant_agent(principal, agent))
    rows = await conversations.page(principal.owner_ids, page, agent_id)
    return make_page(rows, page, item=lambda row: row, key=lambda row: (str(row.id),))


@router.get("/conversations/{conversation_id}")
async def get_conversation(
    conversation_id: UUID, principal: ConversationsRead, conversations: ConversationRepositoryDep
) -> ConversationView:
    """One conversation."""
    found = await conversations.find(principal.owner_ids, conversation_id)
    if found is None:
        raise ConversationNotFound("There is no such conversation.")
    return found


@router.get("/conversations/{conversation_id}/messages")
async def list_messages(
    conversation_id: UUID, page: PageQuery, principal: ConversationsRead, conversations: ConversationRepositoryDep
) -> Page[MessageView]:
    """What was said, oldest first. What belongs to a failed run is not part of the conversation."""
    rows = await conversations.messages(principal.owner_ids, conversation_id, page)
    if not rows and await conversations.find(principal.owner_ids, conversation_id) is None:
        raise ConversationNotFound("There is no such conversation.")
    return make_page(rows, page, item=lambda row: row, key=lambda row: (str(row.seq),))
