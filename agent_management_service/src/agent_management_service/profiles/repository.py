"""All SQL on the table `attestations`; that a profile is the caller's was asked before."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from agent_management_service.profiles.errors import AttestationNotFound
from agent_management_service.profiles.models import AttestationRow


def _stands() -> ColumnElement[bool]:
    return AttestationRow.revoked_at.is_(None) & (AttestationRow.expires_at > func.now())


@dataclass(frozen=True, slots=True)
class AttestationRepository:
    """The attestations of profiles."""

    session: AsyncSession

    async def add(self, row: AttestationRow) -> AttestationRow:
        """A new one."""
        self.session.add(row)
        await self.session.flush()
        return row

    async def find(self, attestation_id: UUID) -> AttestationRow:
        """Any profile's attestation, for whoever holds it; `AttestationNotFound`."""
        row = await self.session.get(AttestationRow, attestation_id)
        if row is None:
            raise AttestationNotFound
        return row

    async def lock(self, profile_id: UUID, attestation_id: UUID) -> AttestationRow:
        """One of the profile's, with its row locked until the transaction ends; `AttestationNotFound`."""
        wanted = select(AttestationRow).where(
            AttestationRow.id == attestation_id, AttestationRow.profile_id == profile_id
        )
        row = await self.session.scalar(wanted.with_for_update())
        if row is None:
            raise AttestationNotFound
        return row

    async def page(self, profile_id: UUID, limit: int, before: UUID | None) -> Sequence[AttestationRow]:
        """Up to `limit + 1` of the profile's, newest first (their ids are in the order of their making)."""
        wanted = select(AttestationRow).where(AttestationRow.profile_id == profile_id)
        if before is not None:
            wanted = wanted.where(AttestationRow.id < before)
        return (await self.session.scalars(wanted.order_by(AttestationRow.id.desc()).limit(limit + 1))).all()

    async def standing(self, profile_id: UUID) -> int:
        """How many of the profile's are neither revoked nor over."""
        wanted = select(func.count()).where(AttestationRow.profile_id == profile_id, _stands())
        return await self.session.scalar(wanted) or 0

    async def attested(self, profile_id: UUID) -> list[str]:
        """The capabilities that a standing attestation of the profile names, sorted."""
        names = func.jsonb_array_elements_text(AttestationRow.claims["capabilities"]).table_valued("name")
        wanted = select(names.c.name).distinct().select_from(AttestationRow).join(names, true())
        return sorted(await self.session.scalars(wanted.where(AttestationRow.profile_id == profile_id, _stands())))
