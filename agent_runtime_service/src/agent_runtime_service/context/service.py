"""What is shown of a conversation, and the decisions of its user about that."""

import sys
from collections.abc import Collection
from uuid import UUID

from agent_runtime_service.context.repository import ContextRepository, KeptContext, KeptFact, Outcome, most_facts
from agent_runtime_service.context.schemas import ContextChangeView, ContextView, FactView
from agent_runtime_service.conversations.repository import ConversationRepository
from agent_runtime_service.conversations.schemas import MessageView
from agent_runtime_service.errors import ConversationInUse, ConversationNotFound, FactNotFound, TooManyFacts
from agent_runtime_service.instances.directory import InstanceDirectory
from kgents_shared.contracts.worker import Image, Message, PinnedFact, Remembered
from kgents_shared.remembering import FACTS_SHARE, told_of
from kgents_shared.token_counting import tokens_of, tokens_of_text

_NOT_FOUND = "There is no such conversation."


class ContextService:
    """Shows, pins, resets and deletes."""

    def __init__(
        self, context: ContextRepository, conversations: ConversationRepository, directory: InstanceDirectory
    ) -> None:
        self._context = context
        self._conversations = conversations
        self._directory = directory

    async def view(self, owner_ids: Collection[str], conversation_id: UUID) -> ContextView:
        """What the model would be shown with the next message."""
        kept = await self._context.find(owner_ids, conversation_id)
        if kept is None:
            raise ConversationNotFound(_NOT_FOUND)
        messages = await self._conversations.newest_messages(owner_ids, conversation_id, kept.context_from)
        instance = self._directory.choose(kept.agent_id)
        facts = [_fact_view(fact) for fact in kept.facts]
        window_tokens = None if instance is None else instance.registration.spec.memory.window_tokens
        counted = tokens_of_text(_told(kept, window_tokens)) + sum(map(tokens_of, map(_as_message, messages)))
        # The worker knows how its model counts.
        factor = 1.0 if instance is None else await instance.client.tokens_factor()
        return ContextView(
            conversation_id=conversation_id,
            agent=kept.agent_name,
            tokens=round(counted * factor),
            window_tokens=window_tokens,
            context_from=kept.context_from,
            summary=kept.summary,
            summary_of_seq=kept.summary_of_seq,
            gap=kept.gap,
            shares=kept.shares,
            facts=facts,
            elsewhere=kept.elsewhere,
            messages=messages,
            changes=[
                ContextChangeView(**dict(zip(ContextChangeView.model_fields, change, strict=True)))
                for change in await self._context.changes(conversation_id)
            ],
        )

    async def pin(self, owner_ids: Collection[str], conversation_id: UUID, key: str, text: str) -> FactView:
        """Have the model shown a fact with every message."""
        pinned = await self._context.pin(owner_ids, conversation_id, key, text)
        if pinned is None:
            raise ConversationNotFound(_NOT_FOUND)
        if pinned == "too_many":
            raise TooManyFacts(f"{most_facts()} facts are pinned, all that may be; unpin one first.")
        return _fact_view(pinned)

    async def unpin(self, owner_ids: Collection[str], conversation_id: UUID, key: str) -> None:
        """Have it shown no more."""
        found = await self._context.unpin(owner_ids, conversation_id, key)
        if found is None:
            raise ConversationNotFound(_NOT_FOUND)
        if not found:
            raise FactNotFound("No fact of that key is pinned.")

    async def reset(self, owner_ids: Collection[str], conversation_id: UUID) -> None:
        """Have the next message find an empty context; what was said and what is pinned stay."""
        _done(await self._context.reset(owner_ids, conversation_id), "reset")

    async def remove(self, owner_ids: Collection[str], conversation_id: UUID) -> None:
        """Delete the conversation."""
        _done(await self._context.remove(owner_ids, conversation_id), "deleted")


def _done(outcome: Outcome, what: str) -> None:
    if outcome == "not_found":
        raise ConversationNotFound(_NOT_FOUND)
    if outcome == "in_use":
        raise ConversationInUse(f"A run of this conversation is open; it can be {what} once that has ended.")


def _fact_view(fact: KeptFact) -> FactView:
    return FactView(key=fact.key, text=fact.text, pinned_at=fact.pinned_at, shared=fact.shared)


def _told(kept: KeptContext, window_tokens: int | None) -> str:
    """What is remembered, as it is shown with the first message."""
    facts = tuple(PinnedFact(key=fact.key, text=fact.text) for fact in kept.facts)
    remembered = Remembered(summary=kept.summary, gap=kept.gap, facts=facts, elsewhere=tuple(kept.elsewhere))
    return told_of(remembered, sys.maxsize if window_tokens is None else window_tokens // FACTS_SHARE)


def _as_message(view: MessageView) -> Message:
    images = tuple(Image.model_construct(media_type=media_type, data="") for media_type in view.images)
    return Message.model_construct(role=view.role, text=view.text, tool_calls=view.tool_calls, images=images)
