"""What every kind does alike: make, read, list, change and delete, each with its hooks."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Generic

from agent_management_service.kinds.hooks import Change, HookRegistry, HookWork, Moment
from agent_management_service.kinds.listing import KindFilter
from agent_management_service.kinds.repository import Columns, KindRepository, RowT
from kgents_shared.auth import Reference
from kgents_shared.db import PageRequest


@dataclass(frozen=True, slots=True)
class KindService(Generic[RowT]):
    """The things of one kind, within one transaction that its caller commits."""

    things: KindRepository[RowT]
    hooks: HookRegistry
    work: HookWork

    async def create(self, owner_id: str, columns: Columns) -> RowT:
        """A new thing; `KindNameTaken`, and what hooks refuse."""
        await self._run(Moment.PRE_CREATE, Change(self.things.kind, owner_id, None, columns))
        row = await self.things.add(owner_id, columns)
        await self._run(Moment.POST_CREATE, Change(self.things.kind, owner_id, row, columns))
        return row

    async def get(self, reference: Reference) -> RowT:
        """One thing; `KindNotFound`."""
        return await self.things.get(reference)

    async def page(self, owner_ids: Collection[str], wanted: KindFilter, page: PageRequest) -> Sequence[RowT]:
        """Up to `limit + 1` things."""
        return await self.things.page(owner_ids, wanted, page.limit, page.after)

    async def update(self, reference: Reference, columns: Columns) -> RowT:
        """Put other content in place; `KindNotFound`, `KindNameTaken`, and what hooks refuse."""
        row = await self.things.lock(reference)
        change = Change(self.things.kind, row.owner_id, row, columns)
        await self._run(Moment.PRE_UPDATE, change)
        await self.things.replace(row, columns)
        await self._run(Moment.POST_UPDATE, change)
        return row

    async def delete(self, reference: Reference) -> None:
        """Delete it for good; `KindNotFound`, and what hooks refuse."""
        row = await self.things.lock(reference)
        change = Change(self.things.kind, row.owner_id, row)
        await self._run(Moment.PRE_DELETE, change)
        await self.things.remove(row)
        await self._run(Moment.POST_DELETE, change)

    async def _run(self, moment: Moment, change: Change) -> None:
        await self.hooks.run(moment, self.work, change)
