"""What the agents' API answers."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from agent_management_service.agents.models import AgentRow, AgentStatus
from kgents_shared.auth import Principal, organisation_of
from kgents_shared.contracts.agent_spec import AgentSpec


class Agent(BaseModel):
    """An agent. `draft` is what the next publish freezes; `version` is the one in force, null before the first.

    `organisation` is the slug of the organisation that owns it, null where its owner is the caller; such an agent is
    named `organisation~name`.
    """

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    owner_id: str
    organisation: str | None = None
    status: AgentStatus
    draft: AgentSpec
    version: int | None
    generation: int
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None


def agent_view(row: AgentRow, principal: Principal) -> Agent:
    """An agent as this caller sees it."""
    return Agent.model_validate(row).model_copy(update={"organisation": organisation_of(principal, row.owner_id)})
