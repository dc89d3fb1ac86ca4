"""Attesting profiles and revoking that, within one transaction that its caller commits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from agent_management_service.agents.models import AgentRow
from agent_management_service.agents.repository import AgentRepository
from agent_management_service.clients import AttestationSigner
from agent_management_service.errors import AgentNotFound
from agent_management_service.kinds.repository import KindRepository
from agent_management_service.profiles.errors import AgentGone, NotInPerson, NotOfTheProfile
from agent_management_service.profiles.events import AttestationEvents
from agent_management_service.profiles.models import AttestationRow, ProfileRow
from agent_management_service.profiles.repository import AttestationRepository
from agent_management_service.profiles.schemas import Attest
from agent_management_service.versions.repository import VersionRepository
from kgents_shared.auth import Principal, Reference, owner_of_new
from kgents_shared.contracts.attestations import (
    AttestationClaims,
    AttestedAgent,
    AttestedProfile,
    Attester,
    SignAttestation,
)
from kgents_shared.db import PageRequest, new_id
from kgents_shared.errors import FaultItem

# Below it are `<id>/status`: whoever holds an attestation asks there.
STATUS_PATH = "/api/v1/agents/profiles/attestations"


def attester_of(principal: Principal, organisation: str | None) -> Attester:
    """Who says it: the caller, or their organisation of that slug or id. `NotInPerson`, NotFound."""
    if principal.actor is not None:
        raise NotInPerson
    if organisation is not None:
        return Attester(kind="organisation", id=owner_of_new(principal, organisation))
    return Attester(kind="machine" if principal.kind == "machine" else "person", id=principal.subject)


@dataclass(frozen=True, slots=True)
class ProfileReading:
    """What is known of a profile beside its own fields."""

    agents: AgentRepository
    attestations: AttestationRepository

    async def agent_of(self, profile: ProfileRow) -> AgentRow | None:
        """The profile's agent; None for one that was deleted."""
        try:
            return await self.agents.get(Reference(frozenset({profile.owner_id}), id=profile.agent_id))
        except AgentNotFound:
            return None

    async def attested(self, profile: ProfileRow) -> list[str]:
        """The capabilities that a standing attestation names."""
        return await self.attestations.attested(profile.id)


@dataclass(frozen=True, slots=True)
class AttestationService:
    """The attestations of profiles."""

    profiles: KindRepository[ProfileRow]
    reading: ProfileReading
    versions: VersionRepository
    events: AttestationEvents
    signer: AttestationSigner

    @property
    def attestations(self) -> AttestationRepository:
        """Where they are kept."""
        return self.reading.attestations

    async def attest(self, reference: Reference, attester: Attester, wanted: Attest) -> AttestationRow:
        """Sign a statement about the profile and its agent as it stands.

        `KindNotFound`, `NotOfTheProfile`, `AgentGone`, and what the auth service refuses.
        """
        profile = await self.profiles.lock(reference)
        _check_claimed(profile, wanted)
        agent = await self._agent_as_it_stands(profile)
        claims = AttestationClaims.model_validate(wanted.model_dump(exclude={"valid_days"}))
        attestation_id = new_id()
        signed = await self.signer.sign(
            SignAttestation(
                id=attestation_id,
                attester=attester,
                profile=AttestedProfile(id=profile.id, name=profile.name, owner_id=profile.owner_id),
                agent=agent,
                claims=claims,
                valid_days=wanted.valid_days,
                status_path=f"{STATUS_PATH}/{attestation_id}/status",
            )
        )
        row = await self.attestations.add(
            AttestationRow(
                id=attestation_id,
                profile_id=profile.id,
                attester=signed.attester.model_dump(mode="json"),
                agent=agent.model_dump(mode="json"),
                claims=claims.model_dump(mode="json"),
                issuer=signed.issuer,
                jws=signed.jws,
                issued_at=datetime.fromtimestamp(signed.issued_at, UTC),
                expires_at=datetime.fromtimestamp(signed.expires_at, UTC),
            )
        )
        await self.events.tell("made", profile, row)
        return row

    async def revoke(
        self, reference: Reference, attestation_id: UUID, by: Principal, reason: str | None
    ) -> AttestationRow:
        """End an attestation; one that is revoked stays as it is. `KindNotFound`, `AttestationNotFound`."""
        profile = await self.profiles.get(reference)
        row = await self.attestations.lock(profile.id, attestation_id)
        if row.revoked_at is None:
            row.revoked_at, row.revoked_by, row.revocation_reason = datetime.now(UTC), by.subject, reason
            await self.events.tell("revoked", profile, row)
        return row

    async def page(self, reference: Reference, page: PageRequest, before: UUID | None) -> Sequence[AttestationRow]:
        """Up to `limit + 1` of the profile's attestations, newest first. `KindNotFound`."""
        profile = await self.profiles.get(reference)
        return await self.attestations.page(profile.id, page.limit, before)

    async def find(self, attestation_id: UUID) -> AttestationRow:
        """Any profile's attestation, for whoever holds it. `AttestationNotFound`."""
        return await self.attestations.find(attestation_id)

    async def _agent_as_it_stands(self, profile: ProfileRow) -> AttestedAgent:
        agent = await self.reading.agent_of(profile)
        if agent is None:
            raise AgentGone
        in_force = None if agent.version is None else await self.versions.get(agent.id, agent.version)
        return AttestedAgent(
            id=agent.id,
            name=agent.name,
            version=agent.version,
            content_hash=None if in_force is None else in_force.content_hash,
        )


def _check_claimed(profile: ProfileRow, wanted: Attest) -> None:
    faults = [
        FaultItem(
            ("capabilities", place),
            "is not among the profile's capabilities",
            "capability_not_claimed",
            f"take one of {', '.join(profile.capabilities)}" if profile.capabilities else "add it to the profile first",
        )
        for place, one in enumerate(wanted.capabilities)
        if one not in profile.capabilities
    ]
    if faults:
        raise NotOfTheProfile(faults)
