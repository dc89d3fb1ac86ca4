"""Events of people that administrators cause: ids alone."""

from uuid import UUID

from pydantic import BaseModel

USER_DISABLED = "user.disabled"
USER_ENABLED = "user.enabled"


class UserSwitched(BaseModel):
    """An administrator disabled a person, or let them in again."""

    user_id: UUID
    changed_by: str
