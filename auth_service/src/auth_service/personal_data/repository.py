"""SQL of erasures."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from auth_service.organisations.models import OrganisationMember
from auth_service.personal_data.models import Erasure, ErasurePart
from kgents_shared.db import PageRequest, new_id


@dataclass(frozen=True, slots=True)
class DuePart:
    """A service's share whose turn it is."""

    erasure_id: UUID
    subject: str
    service: str
    tries: int


class ErasureRepository:
    """Erasures within one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def begin(self, subjects: Iterable[str], services: Iterable[str], rounds: int) -> UUID:
        """Note that all of these are to be erased by all of these."""
        erasure_id = new_id()
        await self._session.execute(insert(Erasure).values(id=erasure_id))
        parts = [(subject, service) for subject in subjects for service in services]
        rows = [
            {"erasure_id": erasure_id, "subject": subject, "service": service, "rounds_left": rounds}
            for subject, service in parts
        ]
        await self._session.execute(insert(ErasurePart), rows)
        return erasure_id

    async def under_way(self, subject: str) -> UUID | None:
        """The erasure of that person, if one was begun."""
        return await self._session.scalar(select(ErasurePart.erasure_id).where(ErasurePart.subject == subject).limit(1))

    async def next_due(self, lease: timedelta) -> DuePart | None:
        """A share whose turn it is, nobody else's for as long as the lease."""
        wanted = (
            select(ErasurePart)
            .where(ErasurePart.rounds_left > 0, ErasurePart.next_try_at <= func.now())
            .order_by(ErasurePart.next_try_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        part = await self._session.scalar(wanted)
        if part is None:
            return None
        part.tries += 1
        due = DuePart(part.erasure_id, part.subject, part.service, part.tries)
        await self._session.execute(
            update(ErasurePart).where(_is(due)).values(tries=due.tries, next_try_at=func.now() + lease)
        )
        return due

    async def done(self, part: DuePart, again_after: timedelta) -> None:
        """A share was done for this round; the last of all of them ends the erasure."""
        changed = {"rounds_left": ErasurePart.rounds_left - 1, "tries": 0, "waits_for": None}
        await self._session.execute(
            update(ErasurePart).where(_is(part)).values(**changed, next_try_at=func.now() + again_after)
        )
        open_parts = exists().where(ErasurePart.erasure_id == part.erasure_id, ErasurePart.rounds_left > 0)
        await self._session.execute(
            update(Erasure).where(Erasure.id == part.erasure_id, ~open_parts).values(done_at=func.now())
        )

    async def later(self, part: DuePart, why: str, after: timedelta) -> None:
        """A share could not be done yet."""
        await self._session.execute(
            update(ErasurePart).where(_is(part)).values(waits_for=why, next_try_at=func.now() + after)
        )

    async def page(self, page: PageRequest) -> list[tuple[UUID, datetime, datetime | None]]:
        """Id, asked for, done: newest first, one more than the page holds."""
        wanted = select(Erasure.id, Erasure.requested_at, Erasure.done_at).order_by(Erasure.id.desc())
        if page.after is not None:
            wanted = wanted.where(Erasure.id < UUID(page.after[0]))
        return [(row[0], row[1], row[2]) for row in await self._session.execute(wanted.limit(page.limit + 1))]

    async def open_parts(self, erasure_ids: Iterable[UUID]) -> list[tuple[UUID, str, str | None]]:
        """Erasure, service and what it waits for, of what isn't done yet."""
        wanted = select(ErasurePart.erasure_id, ErasurePart.service, ErasurePart.waits_for)
        wanted = wanted.where(ErasurePart.erasure_id.in_(list(erasure_ids)), ErasurePart.rounds_left > 0)
        return [(row[0], row[1], row[2]) for row in await self._session.execute(wanted.order_by(ErasurePart.service))]

    async def organisations_left_alone(self, user_id: UUID) -> tuple[list[UUID], list[UUID]]:
        """Organisations that nobody else is in, and those with others in them but no other owner."""
        other = OrganisationMember.__table__.alias("other")
        mine = and_(OrganisationMember.user_id == user_id, OrganisationMember.joined_at.is_not(None))
        beside = and_(
            other.c.organisation_id == OrganisationMember.organisation_id,
            other.c.user_id != user_id,
            other.c.joined_at.is_not(None),
        )
        anybody = exists().where(beside)
        an_owner = exists().where(beside, other.c.role == "owner")
        alone = await self._session.scalars(select(OrganisationMember.organisation_id).where(mine, ~anybody))
        ownerless = await self._session.scalars(
            select(OrganisationMember.organisation_id).where(
                mine, OrganisationMember.role == "owner", anybody, ~an_owner
            )
        )
        return list(alone), list(ownerless)


def _is(part: DuePart) -> ColumnElement[bool]:
    return and_(
        ErasurePart.erasure_id == part.erasure_id,
        ErasurePart.subject == part.subject,
        ErasurePart.service == part.service,
    )
