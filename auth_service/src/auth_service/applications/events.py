"""Events of applications: ids alone."""

from uuid import UUID

from pydantic import BaseModel

CLIENT_MADE = "client.made"
CLIENT_CHANGED = "client.changed"
CLIENT_DELETED = "client.deleted"
SECRET_ROTATED = "client.secret_rotated"  # noqa: S105 -- an event's type
SECRET_DELETED = "client.secret_deleted"  # noqa: S105


class ClientChanged(BaseModel):
    """An application was made, changed or deleted, by `changed_by`."""

    client_id: str
    owner_id: UUID
    changed_by: str


class ClientSecretChanged(ClientChanged):
    """An application got a secret, or lost one."""

    secret_id: UUID
