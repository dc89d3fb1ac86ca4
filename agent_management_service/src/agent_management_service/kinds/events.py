"""The events of the kinds, each on the transaction of the change that it tells of."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from agent_management_service.kinds.kind import Kind
from agent_management_service.kinds.models import KindRow
from agent_management_service.metadata import OUTBOX, SCHEMA
from kgents_shared.contracts.model import Contract
from kgents_shared.events import add_to_outbox, make_event

What = Literal["created", "updated", "deleted"]


class KindChanged(Contract):
    """Which thing changed; its content is read over the API by who may."""

    id: UUID
    kind: Kind
    name: str
    owner_id: str


@dataclass(frozen=True, slots=True)
class KindEvents:
    """Writes `<kind>.created`, `<kind>.updated` and `<kind>.deleted` to the outbox."""

    session: AsyncSession

    async def tell(self, kind: Kind, what: What, row: KindRow) -> None:
        """Tell of one change."""
        data = KindChanged(id=row.id, kind=kind, name=row.name, owner_id=row.owner_id)
        await add_to_outbox(self.session, OUTBOX, make_event(SCHEMA, f"{kind}.{what}", str(row.id), data))
