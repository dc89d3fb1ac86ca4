"""`/api/v1/admin/vault`: the master key's rotation, and how far it is."""

from datetime import datetime
from typing import Annotated

from fastapi import Depends, status
from pydantic import BaseModel, ConfigDict

from auth_service.dependencies import PartsDep
from auth_service.vault.rotation.service import VaultStatus
from kgents_shared.auth import Principal, require
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/admin/vault", tags=["admin"])
VaultRead = Annotated[Principal, Depends(require("vault:read"))]
VaultWrite = Annotated[Principal, Depends(require("vault:write"))]


class RotateOptions(BaseModel):
    """Body of `POST /admin/vault/rotate`. With `make_key: false` only a key that an operator put first is taken."""

    model_config = ConfigDict(extra="forbid")

    make_key: bool = True


class MasterKeyView(BaseModel):
    """A master key by its id, and how many credentials are under it."""

    key_id: str
    credentials: int
    in_force: bool


class VaultView(BaseModel):
    """The vault: `waiting` credentials are still to come under the key in force. At 0 the other keys are of no use."""

    provider: str
    place: str
    in_force_since: datetime | None
    waiting: int
    keys: list[MasterKeyView]


@router.get("")
async def get_vault_status(_: VaultRead, parts: PartsDep) -> VaultView:
    """Which master keys guard how much."""
    async with parts.storage.transaction() as work:
        found = await parts.vault_rotation.status(work)
    return _view(parts.settings.vault_key_provider, await parts.vault_rotation.place(), found)


@router.post("/rotate", status_code=status.HTTP_202_ACCEPTED, responses=refusals(409))
async def rotate_master_key(body: RotateOptions, principal: VaultWrite, parts: PartsDep) -> VaultView:
    """Take a new master key for new writes now, and for everything else in the background."""
    async with parts.storage.transaction() as work:
        await parts.vault_rotation.rotate(work, by=principal.subject, make_key=body.make_key)
        found = await parts.vault_rotation.status(work)
    parts.vault_rotation.go_on()
    return _view(parts.settings.vault_key_provider, await parts.vault_rotation.place(), found)


def _view(provider: str, place: str, found: VaultStatus) -> VaultView:
    ids = set(found.counts) | ({found.key_id} if found.key_id is not None else set[str]())
    keys = [
        MasterKeyView(key_id=each, credentials=found.counts.get(each, 0), in_force=each == found.key_id)
        for each in sorted(ids)
    ]
    return VaultView(provider=provider, place=place, in_force_since=found.since, waiting=found.waiting, keys=keys)
