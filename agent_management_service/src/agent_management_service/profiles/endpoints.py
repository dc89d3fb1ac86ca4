"""`/api/v1/agents/profiles`: profiles, their attestations, and whether one of those stands."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request, Response, status

from agent_management_service.agents.endpoints import answer_response
from agent_management_service.agents.models import AgentStatus
from agent_management_service.dependencies import AgentsRead, AgentsWrite, Keyed, Transaction
from agent_management_service.idempotency.service import Answer
from agent_management_service.kinds.assembly import Kinds
from agent_management_service.kinds.bodies import described, read_body
from agent_management_service.kinds.endpoints import KindApi, kind_router, no_filter, reference_of
from agent_management_service.kinds.kind import Kind
from agent_management_service.kinds.repository import Columns
from agent_management_service.kinds.schemas import kind_view
from agent_management_service.profiles.models import AttestationRow
from agent_management_service.profiles.schemas import (
    Attest,
    Attestation,
    AttestationStatus,
    Profile,
    ProfileAgent,
    ProfileBody,
    ProfileInFull,
    Revoke,
    attestation_view,
    status_view,
)
from agent_management_service.profiles.service import attester_of
from kgents_shared.auth import OfOrganisation, Principal, Reference
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.db import Page, PageQuery, id_in, make_page
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

PREFIX = "/api/v1/agents/profiles"


async def _profile_body(request: Request) -> Columns:
    return (await read_body(request, lambda _: ProfileBody)).model_dump()


async def _attest_body(request: Request) -> Attest:
    return Attest.model_validate((await read_body(request, lambda _: Attest)).model_dump())


async def _revoke_body(request: Request) -> Revoke:
    if not await request.body():
        return Revoke()
    return Revoke.model_validate((await read_body(request, lambda _: Revoke)).model_dump())


async def _show(kinds: Kinds, reference: Reference, principal: Principal) -> ProfileInFull:
    row = await kinds.profiles.get(reference)
    agent = await kinds.profile_reading.agent_of(row)
    return ProfileInFull(
        **kind_view(Profile, row, principal).model_dump(),
        agent=None
        if agent is None
        else ProfileAgent(
            id=agent.id,
            name=agent.name,
            status=AgentStatus(agent.status),
            version=agent.version,
            capabilities=AgentSpec.model_validate(agent.draft).capabilities,
        ),
        attested=await kinds.profile_reading.attested(row),
    )


_API = KindApi(
    kind=Kind.PROFILE,
    things=lambda kinds: kinds.profiles,
    view=Profile,
    read_body=_profile_body,
    body_schema=described(ProfileBody),
    having=no_filter,
    full_view=ProfileInFull,
    show=_show,
    group="/api/v1/agents",
    tag="profiles",
    deletes="that nobody vouches for any more",
)
_this_profile = Depends(reference_of(Kind.PROFILE))
AttestBody = Annotated[Attest, Depends(_attest_body)]
RevokeBody = Annotated[Revoke, Depends(_revoke_body)]
attestations_router = Router(prefix=PREFIX, tags=["profiles"])


@attestations_router.get("/attestations/{attestation_id}/status", responses=refusals(404))
async def get_attestation_status(attestation_id: UUID, response: Response, work: Transaction) -> AttestationStatus:
    """Whether an attestation stands. Whoever holds one may ask, without a token; nothing of what it says is told."""
    response.headers["Cache-Control"] = "no-store"
    return status_view(await work.attestations.find(attestation_id))


@attestations_router.get("/{profile}/attestations")
async def list_attestations(
    *, principal: AgentsRead, profile: Reference = _this_profile, page: PageQuery, work: Transaction
) -> Page[Attestation]:
    """The profile's attestations, newest first, revoked and expired ones too."""
    del principal
    before = None if page.after is None else id_in(page.after)
    rows = await work.attestations.page(profile, page, before)
    return make_page(rows, page, item=attestation_view, key=lambda row: (str(row.id),))


@attestations_router.post(
    "/{profile}/attest",
    status_code=status.HTTP_201_CREATED,
    response_model=Attestation,
    openapi_extra=described(Attest),
    responses=refusals(409, 415, 502),
)
async def attest_profile(
    *,
    principal: AgentsWrite,
    profile: Reference = _this_profile,
    body: AttestBody,
    key: Keyed,
    work: Transaction,
    organisation: OfOrganisation = None,
) -> Response:
    """Say something of the profile and its agent as it stands, signed in the caller's or their organisation's name."""
    attester = attester_of(principal, organisation)

    async def attest() -> Answer:
        row = await work.attestations.attest(profile, attester, body)
        return Answer(status.HTTP_201_CREATED, _shown(row), f"{PREFIX}/{row.profile_id}/attestations")

    return answer_response(await work.once.do(key, attest))


@attestations_router.post(
    "/{profile}/attestations/{attestation_id}/revoke",
    response_model=Attestation,
    openapi_extra={"requestBody": {**described(Revoke)["requestBody"], "required": False}},
    responses=refusals(415),
)
async def revoke_attestation(
    *,
    principal: AgentsWrite,
    profile: Reference = _this_profile,
    attestation_id: UUID,
    body: RevokeBody,
    key: Keyed,
    work: Transaction,
) -> Response:
    """End an attestation before its time, for good."""

    async def revoke() -> Answer:
        row = await work.attestations.revoke(profile, attestation_id, principal, body.reason)
        return Answer(status.HTTP_200_OK, _shown(row))

    return answer_response(await work.once.do(key, revoke))


def _shown(row: AttestationRow) -> dict[str, Any]:
    return attestation_view(row).model_dump(mode="json")


router = Router()
router.routes += [*attestations_router.routes, *kind_router(_API).routes]
