"""Events of organisations: `organisation.made`, `organisation.member_changed`, `organisation.member_removed`."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel

ORGANISATION_MADE = "organisation.made"
MEMBER_CHANGED = "organisation.member_changed"
MEMBER_REMOVED = "organisation.member_removed"


class OrganisationMade(BaseModel):
    """There is a new organisation."""

    organisation_id: UUID
    made_by: str


class MemberMoved(BaseModel):
    """Somebody came in, got another role (`role`), or is out (None)."""

    organisation_id: UUID
    user_id: UUID
    role: Literal["owner", "member"] | None
    changed_by: str
