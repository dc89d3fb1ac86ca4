"""`/internal/attestations/sign`: the management service keeps attestations, this one signs them."""

from typing import Annotated

from fastapi import Depends

from auth_service.dependencies import PartsDep
from kgents_shared.auth import Principal, require_service
from kgents_shared.contracts.attestations import SignAttestation, SignedAttestation
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

internal_router = Router(prefix="/internal/attestations", tags=["internal"])
ManagementCalls = Annotated[Principal, Depends(require_service("management"))]


@internal_router.post("/sign", responses=refusals(404))
async def sign_attestation(body: SignAttestation, _: ManagementCalls, parts: PartsDep) -> SignedAttestation:
    """The attestation as a JWS that verifies with `/.well-known/jwks.json` for as long as it is valid."""
    async with parts.storage.transaction() as work:
        return await parts.attestations.sign(work, body)
