"""Shapes of /users/me/api-keys."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from auth_service.users.schemas import PersonName

_Scope = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[a-z_]+:[a-z_]+$")]


class NewApiKey(BaseModel):
    """The body of `POST /users/me/api-keys`. `scopes` are at most the maker's own."""

    model_config = ConfigDict(extra="forbid")

    name: PersonName
    scopes: Annotated[list[_Scope], Field(min_length=1, max_length=100)]
    expires_in_days: Annotated[int, Field(ge=1, le=366)] = 90


class ApiKeyView(BaseModel):
    """A key without the key. Times are UTC; `last_used_at` is true to about a minute."""

    id: UUID
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


class MadeApiKey(ApiKeyView):
    """The answer to making a key: the only one that holds it."""

    key: str
