"""Access tokens: RFC 9068 JWTs (DESIGN §3)."""

import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID


class Signer(Protocol):
    """Signs claims."""

    def sign(self, claims: dict[str, Any]) -> str:
        """The compact JWT over `claims`."""
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """With whom a token's subject stands: their organisations (slug → id), the user or organisation that owns a client,
    and who acts for them (`actor` is the claim `act` of RFC 8693 §4.1, with whoever acted before inside it).

    `depends_on` is whose revocation ends the token beside its subject's (subject → epoch), `derived_from` the ids of
    the tokens that it came of. It ends with `ends_at` (Unix seconds) at the latest.
    """

    organisations: Mapping[str, str] = field(default_factory=dict[str, str])
    owner: str | None = None
    actor: Mapping[str, Any] | None = None
    depends_on: Mapping[str, int] = field(default_factory=dict[str, int])
    derived_from: frozenset[str] = frozenset()
    ends_at: int | None = None


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
        ends_at = now + self.lifetime_s if standing.ends_at is None else min(now + self.lifetime_s, standing.ends_at)
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "sub": subject,
            "aud": audience,
            "exp": ends_at,
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
            claims["organisations"] = dict(standing.organisations)
        if standing.owner is not None:
            claims["owner"] = standing.owner
        if standing.actor is not None:
            claims["act"] = dict(standing.actor)
        if standing.depends_on:
            claims["depends_on"] = dict(standing.depends_on)
        if standing.derived_from:
            claims["derived_from"] = sorted(standing.derived_from)
        return self._signer.sign(claims)
