"""What the reloads' API answers."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from agent_management_service.reloads.models import ReloadState
from agent_management_service.versions.diff import Change
from kgents_shared.http.openapi import Fault


class Reload(BaseModel):
    """An agent's last reload.

    `version_before` was in force before it and `version` after it; `in_force` is in force now, so that another number
    there says that somebody rolled back or published since. `answering` is what answers now: the version labelled
    stable, if one is. `errors` are those of a refused definition.
    """

    model_config = ConfigDict(from_attributes=True)

    agent_id: UUID
    state: ReloadState | Literal["never"]
    source: str | None = None
    version_before: int | None = None
    version: int | None = None
    in_force: int | None = None
    answering: int | None = None
    changes: list[Change] = Field(default_factory=list[Change])
    errors: list[Fault] = Field(default_factory=list[Fault])
    at: datetime | None = None
