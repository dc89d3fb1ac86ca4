"""Security events of what went wrong, summed up: each thing is told at most once a minute, with how often it happened.

They carry ids and networks, never an e-mail address, a password or a token.
"""

from uuid import UUID

from pydantic import BaseModel

USER_LOGIN_FAILED = "user.login_failed"
TOKEN_REFUSED = "token.refused"  # noqa: S105 -- an event's type
LIMIT_REACHED = "limit.reached"
NOBODY = "unknown"


class UserLoginFailed(BaseModel):
    """Wrong passwords for one person; for addresses that nobody has where `user_id` is None.

    `what` is `login`, or `password` where somebody who was logged in gave a wrong current password.
    """

    what: str
    user_id: UUID | None
    failures: int


class TokenRefused(BaseModel):
    """Secrets that were none: of a `client`, a `refresh` token, a token out of a `mail`."""

    what: str
    client_id: str | None
    failures: int


class LimitReached(BaseModel):
    """Tries of one kind from one network (an IPv4 address, an IPv6 /64) that were too many and answered 429.

    `network` is None where more networks than are told apart did.
    """

    what: str
    network: str | None
    refusals: int
