"""Shapes of /admin/roles, /admin/permissions and /admin/assignments."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

RoleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$", max_length=63)]
_Text = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]
_Permissions = Annotated[list[Annotated[str, StringConstraints(max_length=100)]], Field(max_length=200)]
ClientId = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00]+$")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RoleChange(_Body):
    """The body of `PUT /admin/roles/{role}`: what the role is from now on."""

    description: _Text = ""
    permissions: _Permissions


class NewRole(RoleChange):
    """The body of `POST /admin/roles`."""

    name: RoleName


class RoleView(BaseModel):
    """A role. A seeded one can't be changed."""

    name: str
    description: str
    permissions: list[str]
    seeded: bool


class PermissionView(BaseModel):
    """A scope, and what it lets somebody do."""

    scope: str
    description: str


class PermissionList(BaseModel):
    """Every permission there is; they are few, and all on one page."""

    items: list[PermissionView]
    next_cursor: None = None


class NewAssignment(_Body):
    """The body of `POST /admin/assignments`: a role, and the person or the client who is to have it."""

    role: RoleName
    user_id: UUID | None = None
    client_id: ClientId | None = None

    @model_validator(mode="after")
    def _one_holder(self) -> Self:
        if (self.user_id is None) == (self.client_id is None):
            raise ValueError("name either user_id or client_id")
        return self


class AssignmentView(BaseModel):
    """Who has a role."""

    role: str
    user_id: UUID | None
    client_id: str | None
