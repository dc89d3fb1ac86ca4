"""What the profiles' API takes and answers."""

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StringConstraints
from pydantic_core import PydanticCustomError

from agent_management_service.agents.models import AgentStatus
from agent_management_service.kinds.schemas import KindView, PartName
from agent_management_service.profiles.models import AttestationRow
from kgents_shared.contracts.agent_spec import Capability, Description, storable
from kgents_shared.contracts.attestations import MOST_DAYS, AttestationClaims, AttestedAgent, NamedAttester
from kgents_shared.contracts.model import Contract

AttestationStanding = Literal["valid", "expired", "revoked"]
_DAYS = 90


def _each_once(capabilities: list[str]) -> list[str]:
    if len(set(capabilities)) != len(capabilities):
        raise PydanticCustomError("doubled_capability", "must not name a capability twice")
    return capabilities


class ProfileBody(Contract):
    """What an agent's owner says of it: `capabilities` are claims until somebody attests them."""

    name: PartName
    description: Description = ""
    agent_id: UUID
    capabilities: Annotated[list[Capability], Field(max_length=50), AfterValidator(_each_once)] = Field(
        default_factory=list[str]
    )


class Attest(AttestationClaims):
    """A statement to sign; `capabilities` are of those that the profile claims."""

    valid_days: Annotated[int, Field(ge=1, le=MOST_DAYS, strict=True)] = _DAYS


class Revoke(Contract):
    """Why an attestation ends before its time."""

    reason: Annotated[str, StringConstraints(max_length=500), AfterValidator(storable)] | None = None


class Profile(KindView):
    """A profile."""

    description: str
    agent_id: UUID
    capabilities: list[str]


class ProfileAgent(BaseModel):
    """The agent of a profile, as it stands now."""

    id: UUID
    name: str
    status: AgentStatus
    version: int | None
    capabilities: list[str]


class ProfileInFull(Profile):
    """A profile with its agent, null where that was deleted. `attested` are the capabilities that are vouched for."""

    agent: ProfileAgent | None
    attested: list[str]


class AttestationStatus(BaseModel):
    """Whether an attestation stands; anybody may ask."""

    id: UUID
    status: AttestationStanding
    issued_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


class Attestation(AttestationStatus):
    """An attestation. `jws` is what a third party verifies with the platform's `/.well-known/jwks.json`.

    `agent` is the agent as it stood, with the version that ran and the hash of what that was.
    """

    profile_id: UUID
    issuer: str
    attester: NamedAttester
    agent: AttestedAgent
    claims: AttestationClaims
    revocation_reason: str | None
    jws: str


def standing(row: AttestationRow) -> AttestationStanding:
    """Whether it stands now."""
    if row.revoked_at is not None:
        return "revoked"
    return "valid" if row.expires_at > datetime.now(UTC) else "expired"


def status_view(row: AttestationRow) -> AttestationStatus:
    """What anybody is told of it."""
    return AttestationStatus(
        id=row.id,
        status=standing(row),
        issued_at=row.issued_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )


def attestation_view(row: AttestationRow) -> Attestation:
    """What those are told who see the profile."""
    return Attestation(
        **status_view(row).model_dump(),
        profile_id=row.profile_id,
        issuer=row.issuer,
        attester=NamedAttester.model_validate(row.attester),
        agent=AttestedAgent.model_validate(row.agent),
        claims=AttestationClaims.model_validate(row.claims),
        revocation_reason=row.revocation_reason,
        jws=row.jws,
    )
