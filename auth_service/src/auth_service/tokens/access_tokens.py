"""Access tokens: RFC 9068 JWTs (DESIGN §3)."""

import secrets
import time
from collections.abc import Iterable
from typing import Any, Protocol
from uuid import UUID


class Signer(Protocol):
    """Signs claims."""

    def sign(self, claims: dict[str, Any]) -> str:
        """The compact JWT over `claims`."""
        ...


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
    ) -> str:
        """A token with the claims of RFC 9068 §2.2, and those that revocation goes by: `epoch` and `sid`."""
        now = int(time.time())
        claims = {
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
        return self._signer.sign(claims)
