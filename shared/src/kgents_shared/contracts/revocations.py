"""The revocation feed between the auth service and every other (DESIGN §3)."""

from typing import Literal

from pydantic import Field

from kgents_shared.contracts.model import Contract

REVOCATION_MADE = "revocation.made"
# Where the auth service tells that there is something new to read; what is missed there, the next poll finds.
REVOCATION_SUBJECT = f"kgents.identity.{REVOCATION_MADE}"


class Revocation(Contract):
    """One revocation.

    `subject`: everything issued to that user or client with a lower `epoch`; `session`: every access token of one
    login; `token`: one access token or API key by its id. After `expires_at` (Unix seconds) it means nothing any more.
    """

    kind: Literal["subject", "session", "token"]
    subject: str
    epoch: int = 0
    expires_at: float


class RevocationPage(Contract):
    """`GET /internal/revocations?after=`: what comes after that position, up to `position`; `more`: ask on."""

    position: int
    more: bool = False
    items: list[Revocation]


class ResolveApiKey(Contract):
    """`POST /internal/api-keys/resolve`: the whole key, as it came in."""

    key: str


class ResolvedApiKey(Contract):
    """Whose key it is and what it may do now. `organisations`: slug → id. `expires_at` is Unix seconds."""

    key_id: str
    subject: str
    epoch: int
    scopes: list[str]
    roles: list[str]
    organisations: dict[str, str] = Field(default_factory=dict[str, str])
    expires_at: int
