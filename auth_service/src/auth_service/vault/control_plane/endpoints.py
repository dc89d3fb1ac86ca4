"""`/api/v1/cp/{platform-credentials,exchange-setup}` (document 004)."""

from decimal import Decimal
from typing import Annotated

from fastapi import Query

from auth_service.dependencies import PartsDep
from auth_service.vault.control_plane.repository import ConnectionRecord, SetupRecord
from auth_service.vault.control_plane.schemas import (
    ExchangeSetupView,
    NewExchangeSetup,
    PlatformCredentials,
    PlatformCredentialsView,
    RiskLimits,
    Slug,
)
from auth_service.vault.control_plane.service import Caller
from auth_service.vault.credentials.endpoints import CredentialsRead, CredentialsWrite
from auth_service.vault.credentials.service import ref_of
from kgents_shared.auth import OfOrganisation, owner_of_new
from kgents_shared.db import Page, PageQuery, make_page
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/cp", tags=["credentials"])


@router.put("/platform-credentials", responses=refusals(409))
async def put_platform_credentials(
    body: PlatformCredentials, principal: CredentialsWrite, parts: PartsDep, organisation: OfOrganisation = None
) -> PlatformCredentialsView:
    """Connect a platform, or replace what it is connected with; the reference stays the same."""
    async with parts.storage.transaction() as work:
        caller = Caller(owner_of_new(principal, organisation), principal.subject)
        record, posting_identity = await parts.control_plane.put_platform(work, body, caller)
    return PlatformCredentialsView(
        credential_ref=ref_of(record.id),
        platform=body.platform,
        posting_identity=posting_identity,
        created_at=record.created_at,
        updated_at=record.updated_at,
    )


@router.get("/platform-credentials")
async def list_platform_credentials(
    page: PageQuery, principal: CredentialsRead, parts: PartsDep, platform: Annotated[Slug | None, Query()] = None
) -> Page[PlatformCredentialsView]:
    """The platforms that are connected, by reference, newest first."""
    async with parts.storage.transaction() as work:
        rows = await parts.control_plane.platforms(work, principal.owner_ids, page, platform)
    return make_page(rows, page, item=_platform_view, key=lambda row: (str(row.credential_id),))


@router.put("/exchange-setup", responses=refusals(409))
async def put_exchange_setup(
    body: NewExchangeSetup, principal: CredentialsWrite, parts: PartsDep, organisation: OfOrganisation = None
) -> ExchangeSetupView:
    """Connect an exchange account and set its limits; without keys the limits alone are changed."""
    async with parts.storage.transaction() as work:
        caller = Caller(owner_of_new(principal, organisation), principal.subject)
        return _exchange_view(await parts.control_plane.put_exchange(work, body, caller))


@router.get("/exchange-setup")
async def list_exchange_setups(page: PageQuery, principal: CredentialsRead, parts: PartsDep) -> Page[ExchangeSetupView]:
    """The exchange accounts that are set up, newest first."""
    async with parts.storage.transaction() as work:
        rows = await parts.control_plane.exchanges(work, principal.owner_ids, page)
    return make_page(rows, page, item=_exchange_view, key=lambda row: (str(row.id),))


def _platform_view(row: ConnectionRecord) -> PlatformCredentialsView:
    return PlatformCredentialsView(
        credential_ref=ref_of(row.credential_id),
        platform=row.platform,
        posting_identity=row.posting_identity,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _exchange_view(row: SetupRecord) -> ExchangeSetupView:
    most_rupees = row.limits.max_notional_inr
    return ExchangeSetupView(
        exchange_account_id=str(row.id),
        credential_ref=None if row.credential_id is None else ref_of(row.credential_id),
        exchange_provider=row.exchange_provider,
        default_coin=row.limits.default_coin,
        allowed_coins=list(row.limits.allowed_coins),
        risk_limits=RiskLimits(
            max_units_per_order=_plain(row.limits.max_units_per_order),
            max_notional_inr=None if most_rupees is None else _plain(most_rupees),
        ),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _plain(amount: Decimal) -> str:
    """The amount without the zeros that the column's scale adds: 1.5, 5000."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
