"""What an attestation says once it is signed: JWT claims (RFC 7519) under a type of their own."""

import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from auth_service.keys.signing_keys import SigningKeys
from auth_service.storage import Work
from kgents_shared.contracts.attestations import (
    ATTESTATION_TYPE,
    Attester,
    NamedAttester,
    SignAttestation,
    SignedAttestation,
)
from kgents_shared.errors import NotFound, Unavailable

_DAY_S = 86_400
# The key set is read anew within this time of an attestation's end by whoever is a little behind.
_SLACK_S = 3600


class Attestations:
    """Signs attestations with the platform's signing keys."""

    def __init__(self, keys: SigningKeys, issuer: str) -> None:
        self._keys = keys
        self._issuer = issuer

    async def sign(self, work: Work, wanted: SignAttestation) -> SignedAttestation:
        """The JWS. Its key stays published until it ends. Raises NotFound for an attester whom nobody knows."""
        attester = await _named(work, wanted.attester)
        now = int(time.time())
        ends_at = now + wanted.valid_days * _DAY_S
        # Neither audience nor client nor scope: whoever took it for a token would find nothing to go by.
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "sub": str(wanted.profile.id),
            "jti": str(wanted.id),
            "iat": now,
            "exp": ends_at,
            "attester": attester.model_dump(mode="json"),
            "profile": wanted.profile.model_dump(mode="json"),
            "agent": wanted.agent.model_dump(mode="json"),
            "attestation": wanted.claims.model_dump(mode="json"),
            "status": {"uri": self._issuer.rstrip("/") + wanted.status_path},
        }
        signed = self._keys.sign_as(ATTESTATION_TYPE, claims)
        until = datetime.fromtimestamp(ends_at + _SLACK_S, UTC)
        if not await work.signing_keys.keep_for_attestations(signed.kid, until):
            raise Unavailable("The signing keys are being changed; try again.", code="starting")
        return SignedAttestation(
            jws=signed.jws, issuer=self._issuer, attester=attester, issued_at=now, expires_at=ends_at
        )


async def _named(work: Work, attester: Attester) -> NamedAttester:
    name = await _name_of(work, attester)
    if name is None:
        raise NotFound("There is no such person, application or organisation.", code="no_such_user")
    return NamedAttester(kind=attester.kind, id=attester.id, name=name)


async def _name_of(work: Work, attester: Attester) -> str | None:
    if attester.kind == "machine":
        found = await work.applications.find(attester.id)
        return None if found is None else found.name
    try:
        its_id = UUID(attester.id)
    except ValueError:
        return None
    if attester.kind == "organisation":
        return await work.organisations.slug_of(its_id)
    person = await work.users.find(its_id)
    return None if person is None else person.name
