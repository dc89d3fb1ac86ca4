"""`/api/v1/credentials`: secrets go in, references come out. `/internal/credentials/resolve`: the one way back."""

from typing import Annotated

from fastapi import Depends, Query, Response, status

from auth_service.dependencies import PartsDep
from auth_service.vault.credentials.repository import CredentialRecord, NewCredentialRow, UseRecord
from auth_service.vault.credentials.schemas import CredentialView, NewCredential, NewSecret, UseView
from auth_service.vault.credentials.service import KEEPING_SERVICES, SERVICES, ref_of
from kgents_shared.auth import OfOrganisation, Principal, owner_of_new, owners_listed, require, require_service
from kgents_shared.contracts.credentials import (
    CredentialType,
    ForgetCredentialRequest,
    KeepCredentialRequest,
    KeptCredential,
    KnownCredential,
    KnownCredentials,
    LookUpCredentials,
    ResolveCredentialRequest,
    ResolvedCredential,
)
from kgents_shared.db import Page, PageQuery, make_page, new_id
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/credentials", tags=["credentials"])
internal_router = Router(prefix="/internal/credentials", tags=["internal"])
CredentialsRead = Annotated[Principal, Depends(require("credentials:read"))]
CredentialsWrite = Annotated[Principal, Depends(require("credentials:write"))]
OfType = Annotated[CredentialType | None, Query(alias="type", description="this type alone")]
ResolvingService = Annotated[Principal, Depends(require_service(*sorted(SERVICES)))]
ManagementCalls = Annotated[Principal, Depends(require_service("management"))]
KeepingService = Annotated[Principal, Depends(require_service(*sorted(KEEPING_SERVICES)))]


@router.post("", status_code=status.HTTP_201_CREATED, responses=refusals(409))
async def create_credential(
    body: NewCredential, principal: CredentialsWrite, parts: PartsDep, organisation: OfOrganisation = None
) -> CredentialView:
    """Keep a secret; the answer has its reference, and no answer ever has the secret."""
    owner_id = owner_of_new(principal, organisation)
    new = NewCredentialRow(new_id(), owner_id, body.name, body.type, body.provider, body.base_url)
    async with parts.storage.transaction() as work:
        return view_of(await parts.credentials.make(work, new, body.secret, by=principal.subject))


@router.get("")
async def list_credentials(
    page: PageQuery,
    principal: CredentialsRead,
    parts: PartsDep,
    of_type: OfType = None,
    organisation: OfOrganisation = None,
) -> Page[CredentialView]:
    """The credentials of the caller and their organisations, newest first."""
    async with parts.storage.transaction() as work:
        rows = await parts.credentials.page(work, owners_listed(principal, organisation), page, of_type)
    return make_page(rows, page, item=view_of, key=lambda row: (str(row.id),))


@router.get("/{credential_ref}")
async def get_credential(credential_ref: str, principal: CredentialsRead, parts: PartsDep) -> CredentialView:
    """One credential, without its secret."""
    async with parts.storage.transaction() as work:
        return view_of(await parts.credentials.get(work, credential_ref, principal.owner_ids))


@router.get("/{credential_ref}/uses")
async def list_credential_uses(
    credential_ref: str, page: PageQuery, principal: CredentialsRead, parts: PartsDep
) -> Page[UseView]:
    """Who was given this secret, newest first."""
    async with parts.storage.transaction() as work:
        rows = await parts.credentials.uses(work, credential_ref, principal.owner_ids, page)
    return make_page(rows, page, item=_use_view, key=lambda row: (str(row.id),))


@router.post("/{credential_ref}/rotate")
async def rotate_credential(
    credential_ref: str, body: NewSecret, principal: CredentialsWrite, parts: PartsDep
) -> CredentialView:
    """Put another secret in place under the same reference; the old one is gone."""
    async with parts.storage.transaction() as work:
        owners = principal.owner_ids
        return view_of(await parts.credentials.rotate(work, credential_ref, owners, body.secret, by=principal.subject))


@router.delete("/{credential_ref}", status_code=status.HTTP_204_NO_CONTENT)
async def delete_credential(credential_ref: str, principal: CredentialsWrite, parts: PartsDep) -> None:
    """Delete a credential. Who was given its secret stays on record."""
    async with parts.storage.transaction() as work:
        await parts.credentials.delete(work, credential_ref, principal.owner_ids, by=principal.subject)


@internal_router.post("/resolve", responses=refusals(404))
async def resolve_credential(
    body: ResolveCredentialRequest, service: ResolvingService, parts: PartsDep, response: Response
) -> ResolvedCredential:
    """The secret behind a reference of `owner_id`, for the services that use it; each time is written down."""
    async with parts.storage.transaction() as work:
        resolved = await parts.credentials.resolve(work, body, service=service.subject)
    response.headers["Cache-Control"] = "no-store"
    return resolved


@internal_router.post("/known")
async def known_credentials(body: LookUpCredentials, _: ManagementCalls, parts: PartsDep) -> KnownCredentials:
    """Which of the references are credentials of the owner, and what those are for."""
    async with parts.storage.transaction() as work:
        found = await parts.credentials.known(work, body.owner_id, body.credential_refs)
    return KnownCredentials(
        credentials=tuple(
            KnownCredential(
                credential_ref=ref_of(record.id),
                type=record.type,
                provider=record.provider,
                has_address=record.base_url is not None,
            )
            for record in found
        )
    )


@internal_router.put("", responses=refusals(409))
async def keep_credential(body: KeepCredentialRequest, service: KeepingService, parts: PartsDep) -> KeptCredential:
    """Keep what a service got for an owner; the same name again has another secret under the same reference."""
    new = NewCredentialRow(new_id(), body.owner_id, body.name, body.type)
    async with parts.storage.transaction() as work:
        record = await parts.credentials.keep(work, new, body.secret, service=service.subject)
    return KeptCredential(credential_ref=ref_of(record.id), version=record.version)


@internal_router.post("/forget", status_code=status.HTTP_204_NO_CONTENT)
async def forget_credential(body: ForgetCredentialRequest, service: KeepingService, parts: PartsDep) -> None:
    """Delete what a service kept; nothing happens where it is gone already."""
    async with parts.storage.transaction() as work:
        await parts.credentials.forget(work, body.credential_ref, body.owner_id, service=service.subject)


def view_of(record: CredentialRecord) -> CredentialView:
    """A credential as its owner sees it."""
    return CredentialView(
        credential_ref=ref_of(record.id),
        name=record.name,
        type=record.type,
        owner_id=record.owner_id,
        provider=record.provider,
        base_url=record.base_url,
        version=record.version,
        created_at=record.created_at,
        updated_at=record.updated_at,
    )


def _use_view(record: UseRecord) -> UseView:
    return UseView(used_by=record.used_by, purpose=record.purpose, version=record.version, used_at=record.used_at)
