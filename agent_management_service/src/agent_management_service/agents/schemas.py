"""What the agents' API answers."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from agent_management_service.agents.models import AgentRow, AgentStatus
from agent_management_service.labels.schemas import Label, labels_of
from kgents_shared.auth import Principal, organisation_of
from kgents_shared.contracts.agent_spec import AgentSpec


class Agent(BaseModel):
    """An agent. `draft` is what the next publish freezes; `version` is the one in force, null before the first.

    Where `labels` has `stable`, its version answers instead of the one in force.

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
    labels: list[Label] = Field(default_factory=list[Label])
    generation: int
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None


def agent_view(row: AgentRow, principal: Principal) -> Agent:
    """An agent as this caller sees it."""
    mine = {"organisation": organisation_of(principal, row.owner_id), "labels": labels_of(row)}
    return Agent.model_validate(row).model_copy(update=mine)
