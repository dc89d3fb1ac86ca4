"""Events of people: who came to be known, who came in. They carry ids, never addresses."""

from uuid import UUID

from pydantic import BaseModel

USER_REGISTERED = "user.registered"
REGISTRATION_REPEATED = "user.registration_repeated"
USER_LOGGED_IN = "user.logged_in"
USER_LOGGED_OUT = "user.logged_out"
PASSWORD_CHANGED = "password.changed"  # noqa: S105 -- an event's name
EMAIL_VERIFIED = "email.verified"


class UserRegistered(BaseModel):
    """A person is new here; or (`user.registration_repeated`) somebody registered a known person's address again."""

    user_id: UUID
    identity_provider: str


class UserLoggedIn(BaseModel):
    """A person showed who they are."""

    user_id: UUID
    client_id: str


class UserChanged(BaseModel):
    """A person logged out, has another password, or showed that an address is theirs."""

    user_id: UUID
