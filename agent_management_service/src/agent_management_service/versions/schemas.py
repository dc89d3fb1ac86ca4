"""What the versions' API answers."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from kgents_shared.contracts.agent_spec import AgentSpec


class Version(BaseModel):
    """One frozen definition; it never changes."""

    model_config = ConfigDict(from_attributes=True)

    number: int
    content_hash: str
    spec: AgentSpec
    created_at: datetime
