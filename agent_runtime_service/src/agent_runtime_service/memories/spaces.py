"""Whose memory is meant, as a space: what is in one is found together, and nothing of another is."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from agent_runtime_service.budgets.book import Payer
from kgents_shared.contracts.agent_spec import MemoryScope
from kgents_shared.contracts.memories import MemoryPlace
from kgents_shared.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Space:
    """A space and who writes in it. It never reaches beyond its owner."""

    owner_id: str
    scope: MemoryScope
    subject: str
    agent_id: UUID
    conversation_id: UUID | None
    principal: str

    @classmethod
    def of(cls, place: MemoryPlace) -> Self:
        """The space of a scope; raises `InvalidInput` where a conversation or a user is missing."""
        subject = _subject(place)
        if subject is None:
            raise InvalidInput(
                f"What this agent remembers belongs to a {place.scope}: none is named.", code="memory_scope_open"
            )
        return cls(place.owner_id, place.scope, subject, place.agent_id, place.conversation_id, place.principal)

    @property
    def name(self) -> str:
        """What the space is called beside the database."""
        return space_name(self.owner_id, self.scope, self.subject)

    @property
    def payer(self) -> Payer:
        """Whose embeddings those are that it takes."""
        return payer_of(self.owner_id, self.agent_id, self.principal)

    @property
    def values(self) -> dict[str, Any]:
        """For statements."""
        return {
            "owner_id": self.owner_id,
            "scope": self.scope,
            "subject": self.subject,
            "agent_id": self.agent_id,
            "conversation_id": self.conversation_id,
            "principal": self.principal,
        }


def payer_of(owner_id: str, agent_id: UUID, principal: str) -> Payer:
    """An owner's, of the agent that keeps or looks for something, and of the person for whom it does."""
    return Payer(owner_id, agent_id, owner_id, asker=principal or None)


def space_name(owner_id: str, scope: str, subject: str) -> str:
    """A name out of which neither the owner nor the subject can be read."""
    return hashlib.sha256(json.dumps([owner_id, scope, subject]).encode()).hexdigest()


def _subject(place: MemoryPlace) -> str | None:
    match place.scope:
        case "agent":
            return str(place.agent_id)
        case "user":
            return place.principal or None
        case "conversation":
            return None if place.conversation_id is None else str(place.conversation_id)
        case "organisation":
            return ""
