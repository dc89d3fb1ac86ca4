"""Access tokens: RFC 9068 JWTs (DESIGN §3)."""

import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID


class Signer(Protocol):
    """Signs claims."""

    def sign(self, claims: dict[str, Any]) -> str:
        """The compact JWT over `claims`."""
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """With whom a token's subject stands: the ids of their organisations, the user or organisation that owns a client,
    and who acts for them (RFC 8693 §4.1).
    """

    organisations: frozenset[str] = frozenset()
    owner: str | None = None
    actor: str | None = None


ALONE = Standing()


class AccessTokens:
    """Issues access tokens that live `lifetime_s` seconds."""

    def __init__(self, signer: Signer, issuer: str, lifetime_s: int) -> None:
        self._signer = signer
        self._issuer = issuer
        self.lifetime_s = lifetime_s

    def issue(
        self,
        *,
        subject: str,
        audience: str,
        client_id: str,
        scopes: Iterable[str],
        roles: Iterable[str],
        epoch: int,
        session_id: UUID | None = None,
        standing: Standing = ALONE,
    ) -> str:
        """A token with the claims of RFC 9068 §2.2, `epoch` and `sid`, which revocation goes by, and `standing`."""
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "sub": subject,
            "aud": audience,
            "exp": now + self.lifetime_s,
            "iat": now,
            "jti": secrets.token_hex(16),
            "client_id": client_id,
            "scope": " ".join(sorted(scopes)),
            "roles": sorted(roles),
            "epoch": epoch,
        }
        if session_id is not None:
            claims["sid"] = str(session_id)
        if standing.organisations:
            claims["organisations"] = sorted(standing.organisations)
        if standing.owner is not None:
            claims["owner"] = standing.owner
        if standing.actor is not None:
            claims["act"] = {"sub": standing.actor}
        return self._signer.sign(claims)
