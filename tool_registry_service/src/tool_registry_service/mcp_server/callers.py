"""Who a request comes from, and the ids of sessions, which are bound to them."""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass

from kgents_shared.auth import Principal

_ID_BYTES = 16
# What a session is looked up by: an id of another's is as good as none.
CALLER = "kgents.mcp_caller"


@dataclass(frozen=True, slots=True)
class Caller:
    """A verified caller with the bearer that they came with: agents are asked in their name, with their rights."""

    principal: Principal
    bearer: str

    def may(self, *scopes: str) -> bool:
        """Whether the token has every one of these scopes."""
        return self.principal.scopes.issuperset(scopes)


class SessionIds:
    """Ids that only this platform makes, each of one caller's. Every process that has the secret knows them all."""

    def __init__(self, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), b"kgents mcp sessions", hashlib.sha256)

    def new(self, caller: Caller) -> str:
        """Another id of this caller's."""
        number = secrets.token_hex(_ID_BYTES)
        return f"{number}.{self._mark(number, caller)}"

    def is_of(self, session_id: str, caller: Caller) -> bool:
        """Whether it was made for this caller."""
        number, _, mark = session_id.partition(".")
        return hmac.compare_digest(self._mark(number, caller).encode(), mark.encode("utf-8", "replace"))

    def _mark(self, number: str, caller: Caller) -> str:
        principal = caller.principal
        text = "\n".join((number, principal.subject, principal.client_id, principal.actor or ""))
        digest = hmac.digest(self._key, text.encode("utf-8", "replace"), hashlib.sha256)
        return base64.b32encode(digest)[:32].decode().lower()
