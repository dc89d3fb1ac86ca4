"""Events of tokens: `token.reuse_detected`."""

from uuid import UUID

from pydantic import BaseModel

TOKEN_REUSE_DETECTED = "token.reuse_detected"  # noqa: S105 -- an event's type


class TokenReuseDetected(BaseModel):
    """A refresh token was used twice: one of its two holders stole it. Its family is dead."""

    user_id: UUID
    family_id: UUID
    client_id: str
