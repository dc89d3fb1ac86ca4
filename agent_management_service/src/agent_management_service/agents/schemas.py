"""What the agents' API answers."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from agent_management_service.agents.models import AgentStatus
from kgents_shared.contracts.agent_spec import AgentSpec


class Agent(BaseModel):
    """An agent. `draft` is what the next publish freezes; `version` is the one in force, null before the first."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    owner_id: str
    status: AgentStatus
    draft: AgentSpec
    version: int | None
    generation: int
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None
