"""What the versions' API answers."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from agent_management_service.versions.diff import Change
from kgents_shared.contracts.agent_spec import AgentSpec


class Version(BaseModel):
    """One frozen definition; it never changes."""

    model_config = ConfigDict(from_attributes=True)

    number: int
    content_hash: str
    spec: AgentSpec
    created_at: datetime


class Difference(BaseModel):
    """What changes from one definition of an agent to another. `to_version` is null where that is the draft."""

    from_version: int
    to_version: int | None
    changes: list[Change]
