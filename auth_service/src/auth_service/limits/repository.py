"""SQL of limits: GCRA, one statement a try, by the database's clock."""

from datetime import timedelta

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from auth_service.limits.models import LimitRow


class LimitRepository:
    """Limits within one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def take(self, key: str, *, burst: int, every_s: float) -> float:
        """Take one try of `key`, of which `burst` can be taken at once and one comes back each `every_s`.

        0 where there was one; else the seconds until there is one, and nothing was taken.
        """
        step, room = timedelta(seconds=every_s), timedelta(seconds=every_s * burst)
        now = func.clock_timestamp()
        later = func.greatest(LimitRow.full_at, now) + step
        taken = (
            insert(LimitRow)
            .values(key=key, full_at=now + step)
            .on_conflict_do_update(index_elements=[LimitRow.key], set_={"full_at": later}, where=later <= now + room)
            .returning(LimitRow.key)
        )
        if (await self._session.execute(taken)).one_or_none() is not None:
            return 0.0
        wait = func.extract("epoch", LimitRow.full_at + step - room - now)
        found = await self._session.scalar(
            update(LimitRow).where(LimitRow.key == key).values(full_at=LimitRow.full_at).returning(wait)
        )
        return max(float(found or 0), 0.001)

    async def give_back(self, key: str, *, every_s: float) -> None:
        """Give one try back: what was tried went well."""
        given = update(LimitRow).where(LimitRow.key == key)
        await self._session.execute(given.values(full_at=LimitRow.full_at - timedelta(seconds=every_s)))

    async def remember(self, key: str, *, for_s: float) -> None:
        """Have `key` known for that long from now on."""
        until = func.now() + timedelta(seconds=for_s)
        known = insert(LimitRow).values(key=key, full_at=until)
        await self._session.execute(known.on_conflict_do_update(index_elements=[LimitRow.key], set_={"full_at": until}))

    async def is_known(self, key: str) -> bool:
        """Whether `key` was remembered, and that isn't over."""
        return bool(
            await self._session.scalar(select(exists().where(LimitRow.key == key, LimitRow.full_at > func.now())))
        )

    async def delete_full(self) -> None:
        """Delete the rows that say nothing any more."""
        await self._session.execute(delete(LimitRow).where(LimitRow.full_at < func.now()))
