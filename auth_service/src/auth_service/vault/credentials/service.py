"""The rules of credentials: what is unique, what a rotation does, who may have a secret back."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

import structlog

from auth_service.storage import Work
from auth_service.vault.credentials.repository import CredentialRecord, NewCredentialRow, UseRecord
from auth_service.vault.events import (
    CREDENTIAL_DELETED,
    CREDENTIAL_MADE,
    CREDENTIAL_RESOLVED,
    CREDENTIAL_ROTATED,
    CredentialChanged,
    CredentialResolved,
)
from auth_service.vault.keeper import Cipher, SecretValue
from kgents_shared.contracts.credentials import (
    CREDENTIAL_REF,
    CredentialType,
    ResolveCredentialRequest,
    ResolvedCredential,
)
from kgents_shared.db import PageRequest, id_in
from kgents_shared.errors import Conflict, Forbidden, NotFound

_log = structlog.get_logger("auth.vault")
_PREFIX = "cred_"
_REF = re.compile(CREDENTIAL_REF)

# Which services may have a credential of a type: those that talk to what it opens, and no other.
RESOLVERS: Mapping[CredentialType, frozenset[str]] = {
    "llm_provider": frozenset({"runtime"}),
    "platform": frozenset({"tools"}),
    "exchange": frozenset({"tools"}),
    "mcp": frozenset({"tools"}),
    "generic": frozenset({"runtime", "tools"}),
    "mcp_oauth": frozenset({"tools"}),
}
SERVICES = frozenset[str]().union(*RESOLVERS.values())
# What services keep themselves, and which.
KEEPERS: Mapping[CredentialType, frozenset[str]] = {"mcp_oauth": frozenset({"tools"})}
KEEPING_SERVICES = frozenset[str]().union(*KEEPERS.values())


def ref_of(credential_id: UUID) -> str:
    """What documents carry in place of the secret."""
    return f"{_PREFIX}{credential_id.hex}"


def id_of(credential_ref: str) -> UUID:
    """The id in a reference; `NotFound` for what is none."""
    if _REF.fullmatch(credential_ref) is None:
        raise no_such_credential()
    return UUID(credential_ref.removeprefix(_PREFIX))


def no_such_credential() -> NotFound:
    """404, the same for a credential that isn't there and for another owner's."""
    return NotFound("There is no such credential.", code="credential_not_found")


class Credentials:
    """What owners do with credentials, and services with references."""

    def __init__(self, cipher: Cipher) -> None:
        self._cipher = cipher

    async def make(self, work: Work, new: NewCredentialRow, secret: SecretValue, *, by: str) -> CredentialRecord:
        """Keep a new secret. Raises `Conflict` where the owner has that name."""
        record = await work.credentials.add(new, await self._cipher.seal(work, new.label, secret))
        if record is None:
            raise Conflict(
                f'There is a credential "{new.name}" already: choose another name, or rotate that one.',
                code="name_taken",
            )
        await _tell(work, CREDENTIAL_MADE, record, by)
        return record

    async def get(self, work: Work, credential_ref: str, owners: Collection[str]) -> CredentialRecord:
        """One credential; `NotFound`."""
        record = await work.credentials.find(id_of(credential_ref), owners)
        if record is None:
            raise no_such_credential()
        return record

    async def known(self, work: Work, owner_id: str, refs: Collection[str]) -> Sequence[CredentialRecord]:
        """Those of the references that are the owner's."""
        return await work.credentials.of_owner(owner_id, {id_of(ref) for ref in refs})

    async def page(
        self, work: Work, owners: Collection[str], request: PageRequest, type_: CredentialType | None
    ) -> Sequence[CredentialRecord]:
        """`limit + 1` credentials, newest first."""
        return await work.credentials.page(owners, request, place_of(request), type_)

    async def uses(
        self, work: Work, credential_ref: str, owners: Collection[str], request: PageRequest
    ) -> Sequence[UseRecord]:
        """`limit + 1` uses of a credential, newest first; `NotFound`."""
        record = await self.get(work, credential_ref, owners)
        return await work.credentials.uses(record.id, request, place_of(request))

    async def rotate(
        self, work: Work, credential_ref: str, owners: Collection[str], secret: SecretValue, *, by: str
    ) -> CredentialRecord:
        """Put another secret in its place, under the same reference. The old one is gone at once: a secret is mostly
        replaced because it leaked, and those who hold it do so for a minute at most.
        """
        found = await work.credentials.find(id_of(credential_ref), owners, lock=True)
        if found is None:
            raise no_such_credential()
        return await self._next_version(work, found, secret, by)

    async def delete(self, work: Work, credential_ref: str, owners: Collection[str], *, by: str) -> None:
        """Delete a credential; its uses stay on record. `NotFound`."""
        record = await work.credentials.remove(id_of(credential_ref), owners)
        if record is None:
            raise no_such_credential()
        await _tell(work, CREDENTIAL_DELETED, record, by)

    async def put(self, work: Work, new: NewCredentialRow, secret: SecretValue, *, by: str) -> CredentialRecord:
        """The owner's credential of that name, made or rotated; the same secret again changes nothing."""
        found = await work.credentials.find_named(new.owner_id, new.name)
        if found is None:
            record = await work.credentials.add(new, await self._cipher.seal(work, new.label, secret))
            if record is not None:
                await _tell(work, CREDENTIAL_MADE, record, by)
                return record
            # Somebody else made it at this moment, and has committed: the insert waited for that.
            found = await work.credentials.find_named(new.owner_id, new.name)
        if found is None:
            raise Conflict("The credential was deleted meanwhile; try again.", code="changed_meanwhile")
        if await self._holds(work, found, secret):
            return found
        return await self._next_version(work, found, secret, by)

    async def keep(self, work: Work, new: NewCredentialRow, secret: SecretValue, *, service: str) -> CredentialRecord:
        """What `service` got for the owner, under the name that it chose.

        Raises:
            Conflict: the owner has a credential of another type by that name.
            Forbidden: the service keeps no credentials of that type.
        """
        _check_keeper(new.type, service)
        found = await work.credentials.find_named(new.owner_id, new.name)
        if found is not None and found.type != new.type:
            raise Conflict(f'There is a credential "{new.name}" of another type.', code="name_taken")
        return await self.put(work, new, secret, by=service)

    async def forget(self, work: Work, credential_ref: str, owner_id: str, *, service: str) -> None:
        """Delete what `service` kept for the owner; raises `Forbidden` for what it didn't."""
        found = await work.credentials.find(id_of(credential_ref), {owner_id}, lock=True)
        if found is not None:
            _check_keeper(found.type, service)
            await self.delete(work, credential_ref, {owner_id}, by=service)

    async def resolve(self, work: Work, asked: ResolveCredentialRequest, *, service: str) -> ResolvedCredential:
        """The secret behind a reference, for `service`; written down before it is given away.

        Raises:
            NotFound: the owner has no such credential.
            Forbidden: the service has no business with credentials of that type.
        """
        found = await work.credentials.find_sealed(id_of(asked.credential_ref), {asked.owner_id})
        if found is None:
            _log.warning("resolve_refused", credential_ref=asked.credential_ref, service=service, why="not found")
            raise no_such_credential()
        record, sealed = found
        if service not in RESOLVERS[record.type]:
            _log.warning("resolve_refused", credential_ref=asked.credential_ref, service=service, why=record.type)
            raise Forbidden(f"{service} may not resolve credentials of type {record.type}.", code="service_not_allowed")
        secret = await self._cipher.unseal(record.label, sealed)
        await work.credentials.add_use(record, used_by=service, purpose=asked.purpose)
        told = CredentialResolved(
            credential_ref=asked.credential_ref,
            owner_id=record.owner_id,
            version=record.version,
            used_by=service,
            purpose=asked.purpose,
        )
        await work.tell(CREDENTIAL_RESOLVED, record.id, told)
        return ResolvedCredential(
            credential_ref=asked.credential_ref,
            type=record.type,
            version=record.version,
            provider=record.provider,
            base_url=record.base_url,
            secret=secret,
        )

    async def _holds(self, work: Work, record: CredentialRecord, secret: SecretValue) -> bool:
        found = await work.credentials.find_sealed(record.id, {record.owner_id})
        return found is not None and await self._cipher.unseal(record.label, found[1]) == secret

    async def _next_version(
        self, work: Work, found: CredentialRecord, secret: SecretValue, by: str
    ) -> CredentialRecord:
        label = replace(found.label, version=found.version + 1)
        record = await work.credentials.replace(found.id, label.version, await self._cipher.seal(work, label, secret))
        await _tell(work, CREDENTIAL_ROTATED, record, by)
        return record


def _check_keeper(type_: CredentialType, service: str) -> None:
    if service not in KEEPERS.get(type_, frozenset()):
        raise Forbidden(f"{service} may not keep credentials of type {type_}.", code="service_not_allowed")


async def _tell(work: Work, event: str, record: CredentialRecord, by: str) -> None:
    told = CredentialChanged(
        credential_ref=ref_of(record.id), owner_id=record.owner_id, type=record.type, version=record.version, by=by
    )
    await work.tell(event, record.id, told)


def place_of(request: PageRequest) -> UUID | None:
    """The id that a page comes after; `InvalidInput` for a cursor of another list."""
    return None if request.after is None else id_in(request.after)
