"""Real tokens for tests: ES256 over a key made for the test, verified by the same code as in production."""

import time
import uuid
from collections.abc import Iterable
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jose import jwk, jwt

from kgents_shared.auth import (
    ALL_SCOPES,
    PEOPLE_AUDIENCE,
    IdentitySource,
    KeySource,
    NoApiKeys,
    RevokedSet,
    StaticKeySource,
)


def only_keys(keys: KeySource) -> IdentitySource:
    """An auth service that knows these keys, has revoked nothing and made no API key."""
    return IdentitySource(keys, RevokedSet(), NoApiKeys())


class TokenIssuer:
    """Stands where the auth service does: `identity` goes to a service's frame, `revoked` takes revocations."""

    def __init__(self, issuer: str = "http://localhost:8080") -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        self.issuer = issuer
        self.kid = "test-key"
        self.private_pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        public_pem = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        public = jwk.construct(public_pem.decode(), "ES256").to_dict()
        self.jwks: list[dict[str, Any]] = [{**public, "kid": self.kid, "alg": "ES256", "use": "sig"}]
        self.keys = StaticKeySource(self.jwks)
        self.revoked = RevokedSet()
        self.identity = IdentitySource(self.keys, self.revoked, NoApiKeys())

    def claims(self, subject: str, *, audience: str, scopes: Iterable[str], client_id: str) -> dict[str, Any]:
        """The claims of a good token (RFC 9068 §2.2), for tests that spoil one of them."""
        now = int(time.time())
        return {
            "iss": self.issuer,
            "sub": subject,
            "aud": audience,
            "exp": now + 900,
            "iat": now,
            "jti": uuid.uuid4().hex,
            "client_id": client_id,
            "scope": " ".join(sorted(scopes)),
            "roles": [],
        }

    def sign(self, claims: dict[str, Any], **headers: Any) -> str:
        """A signed token over `claims`; `headers` replace those of a good one."""
        full = {"typ": "at+jwt", "kid": self.kid, **headers}
        return jwt.encode(claims, self.private_pem, algorithm="ES256", headers=full)

    def person(self, subject: str, scopes: Iterable[str] = ALL_SCOPES, **more: Any) -> dict[str, str]:
        """The headers of a person's request; `more` are claims, such as `organisations`, `sid`, `epoch` or `act`."""
        claims = self.claims(subject, audience=PEOPLE_AUDIENCE, scopes=scopes, client_id="kgents-cli")
        token = self.sign(claims | more)
        return {"Authorization": f"Bearer {token}"}

    def service(self, name: str, audience: str) -> dict[str, str]:
        """The headers of service `name` calling service `audience`."""
        token = self.sign(self.claims(name, audience=audience, scopes=(), client_id=name))
        return {"Authorization": f"Bearer {token}"}
