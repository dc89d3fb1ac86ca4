"""Shapes of /users."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, StringConstraints, TypeAdapter, ValidationError

# Printable: no control characters, and none that turns the reading direction around.
PersonName = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+$",
    ),
]


_NAME = TypeAdapter[str](PersonName)


def shown_name(given: object, email: str) -> str:
    """A name that somebody wrote elsewhere, if it can be one here; else what stands before the @ of their address."""
    try:
        return _NAME.validate_python(given, strict=True)
    except ValidationError:
        return email.partition("@")[0][:200]


class UserView(BaseModel):
    """A person, as they see themselves. `created_at` is UTC."""

    id: UUID
    email: str
    name: str
    roles: list[str]
    scopes: list[str]
    created_at: datetime


class ProfileChange(BaseModel):
    """The body of `PUT /users/me`: what people may change of themselves."""

    model_config = ConfigDict(extra="forbid")

    name: PersonName


class PersonView(BaseModel):
    """A person, as administrators see them. `created_at` is UTC."""

    id: UUID
    email: str
    name: str
    roles: list[str]
    disabled: bool
    created_at: datetime


class PersonChange(BaseModel):
    """The body of `PATCH /admin/users/{user_id}`: what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    name: PersonName | None = None
    disabled: bool | None = None
