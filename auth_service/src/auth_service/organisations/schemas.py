"""Shapes of /organisations."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from auth_service.organisations.repository import MemberRole
from auth_service.users.schemas import PersonName


def _no_id(slug: str) -> str:
    try:
        UUID(slug)
    except ValueError:
        return slug
    raise ValueError("must not look like an id")


# A DNS label, short enough that tokens, which carry the slugs, stay small.
Slug = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=40), AfterValidator(_no_id)
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewOrganisation(_Body):
    """The body of `POST /organisations`. `slug` is for ever: lower-case letters, digits and hyphens."""

    slug: Slug
    name: PersonName


class OrganisationChange(_Body):
    """The body of `PATCH /organisations/{organisation}`."""

    name: PersonName


class MemberChange(_Body):
    """The body of `PUT /organisations/{organisation}/members/{user_id}`, and of the same below /admin."""

    role: MemberRole = "member"


class OrganisationView(BaseModel):
    """An organisation; `role` is the caller's. Until they have `joined` it is what they are invited as."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    slug: str
    name: str
    role: MemberRole
    joined: bool
    created_at: datetime


class MemberView(BaseModel):
    """Somebody in an organisation; invited to it where `joined_at` is null."""

    model_config = ConfigDict(from_attributes=True)

    user_id: UUID
    name: str
    email: str
    role: MemberRole
    joined_at: datetime | None
