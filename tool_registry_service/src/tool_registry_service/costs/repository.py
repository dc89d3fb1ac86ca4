"""All SQL about costs of tools, beside what stores them with a call."""

from collections.abc import Collection, Sequence

from sqlalchemy import delete, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from kgents_shared.contracts.tools import ToolPrice
from kgents_shared.db import PageRequest, foreign_cursor
from tool_registry_service.costs.models import ToolCost


class CostRepository:
    """The costs of some owners' tools."""

    def __init__(self, session: AsyncSession, owner_ids: Collection[str]) -> None:
        self._session = session
        self._owner_ids = owner_ids

    async def put(self, cost: ToolCost) -> None:
        """Store what a tool costs, in place of what was said before."""
        values = {column.name: getattr(cost, column.name) for column in ToolCost.__table__.columns}
        changed = {name: value for name, value in values.items() if name not in ("owner_id", "tool")}
        query = insert(ToolCost).values(**values)
        await self._session.execute(query.on_conflict_do_update(index_elements=["owner_id", "tool"], set_=changed))

    async def remove(self, owner_id: str, tool: str) -> bool:
        """Forget what a tool costs; False where nothing was said."""
        query = delete(ToolCost).where(ToolCost.owner_id == owner_id, ToolCost.tool == tool).returning(ToolCost.tool)
        return (await self._session.execute(query)).first() is not None

    async def prices(self) -> dict[str, ToolPrice]:
        """What calls cost, by tool."""
        query = select(ToolCost.tool, ToolCost.amount, ToolCost.currency).where(ToolCost.owner_id.in_(self._owner_ids))
        rows = (await self._session.execute(query)).all()
        return {tool: ToolPrice(amount=f"{amount:f}", currency=currency) for tool, amount, currency in rows}

    async def page(self, request: PageRequest) -> Sequence[ToolCost]:
        """`limit + 1` costs by tool."""
        query = select(ToolCost).where(ToolCost.owner_id.in_(self._owner_ids))
        if request.after is not None:
            if len(request.after) != 2:
                raise foreign_cursor()
            query = query.where(tuple_(ToolCost.tool, ToolCost.owner_id) > tuple(request.after))
        query = query.order_by(ToolCost.tool, ToolCost.owner_id).limit(request.limit + 1)
        return (await self._session.execute(query)).scalars().all()
