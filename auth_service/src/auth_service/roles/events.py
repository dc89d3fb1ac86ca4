"""Events of roles: names and ids alone."""

from pydantic import BaseModel

ROLE_CHANGED = "role.changed"
ROLE_DELETED = "role.deleted"
ROLE_GIVEN = "role.given"
ROLE_TAKEN = "role.taken"


class RoleChanged(BaseModel):
    """A role was made, changed or deleted, by `changed_by`."""

    role: str
    changed_by: str


class RoleMoved(BaseModel):
    """Somebody was given a role, or it was taken from them, by `changed_by`."""

    role: str
    subject: str
    changed_by: str
