"""Attestations on the wire: what the management service has the auth service sign."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from kgents_shared.contracts.agent_spec import Capability, storable
from kgents_shared.contracts.model import Contract

# The `typ` of an attestation (RFC 8725 §3.11): no access token has it, and no attestation has theirs.
ATTESTATION_TYPE = "attestation+jwt"
MOST_DAYS = 365
AttestationType = Literal["identity", "capability", "evaluation", "compliance"]
Statement = Annotated[str, StringConstraints(min_length=1, max_length=2000), AfterValidator(storable)]
EvidenceUrl = Annotated[
    str, StringConstraints(pattern=r"^https?://[^\s/]+(/\S*)?$", max_length=2048), AfterValidator(storable)
]


class Attester(Contract):
    """Who says it: a person or an application by id, or the organisation in whose name they do."""

    kind: Literal["person", "machine", "organisation"]
    id: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,200}$")]


class NamedAttester(Attester):
    """The same with the name that the auth service knows them by."""

    name: str


class AttestedProfile(Contract):
    """Whose profile it is."""

    id: UUID
    name: str
    owner_id: str


class AttestedAgent(Contract):
    """The agent as it stood; `version` and `content_hash` are those in force, null where none was published."""

    id: UUID
    name: str
    version: int | None
    content_hash: str | None


class AttestationClaims(Contract):
    """What is said."""

    type: AttestationType
    statement: Statement
    capabilities: Annotated[list[Capability], Field(max_length=50)] = Field(default_factory=list[str])
    evidence_url: EvidenceUrl | None = None


class SignAttestation(Contract):
    """Body of `POST /internal/attestations/sign`: valid for `valid_days` from then on.

    `status_path` is where anybody asks whether it still stands.
    """

    id: UUID
    attester: Attester
    profile: AttestedProfile
    agent: AttestedAgent
    claims: AttestationClaims
    valid_days: Annotated[int, Field(ge=1, le=MOST_DAYS, strict=True)]
    status_path: Annotated[str, StringConstraints(pattern=r"^/api/v1/[a-z0-9/-]+$", max_length=200)]


class SignedAttestation(Contract):
    """The signed statement. Times are Unix seconds."""

    jws: str
    issuer: str
    attester: NamedAttester
    issued_at: int
    expires_at: int
