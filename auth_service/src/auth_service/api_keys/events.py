"""Events of API keys: ids alone."""

from uuid import UUID

from pydantic import BaseModel

API_KEY_MADE = "api_key.made"
API_KEY_DELETED = "api_key.deleted"


class ApiKeyChanged(BaseModel):
    """A person made or deleted a key."""

    key_id: UUID
    user_id: UUID
