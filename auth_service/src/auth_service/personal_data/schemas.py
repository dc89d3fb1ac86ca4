"""Erasures on the wire."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class ErasureRequest(BaseModel):
    """Body of `POST /users/me/erasure`: the address of the account, so that nobody does it by mistake."""

    model_config = ConfigDict(extra="forbid")

    confirm: Annotated[str, Field(min_length=1, max_length=320)]


class ErasureBegun(BaseModel):
    """The account is shut; what the services keep goes in the background. Administrators see how far that is."""

    erasure_id: UUID


class WaitingPart(BaseModel):
    """A service whose share isn't done yet, and why the newest try was not the end of it."""

    service: str
    waits_for: str | None


class ErasureView(BaseModel):
    """An erasure. Whom it is of is not told; `waiting` is empty once `done_at` stands."""

    id: UUID
    requested_at: datetime
    done_at: datetime | None
    waiting: list[WaitingPart]
