"""All SQL of policies, and the events that tell of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from governance_service.metadata import OUTBOX, SCHEMA
from governance_service.policies.models import EVERYBODY, PolicyRow, PolicyVersionRow
from kgents_shared.contracts.policies import POLICY_CHANGED, FedPolicy, PolicyChanged, PolicyPage
from kgents_shared.db import PageRequest, id_in
from kgents_shared.events import add_to_outbox, make_event

_PAGE = 200
# Changes are written one after another, so that no position comes to be seen after a higher one.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('governance.policies'))")


@dataclass(frozen=True, slots=True)
class PolicyFilter:
    """Which policies a list shows."""

    name: str | None = None
    enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class PolicyRepository:
    """Policies within one transaction."""

    session: AsyncSession

    async def lock(self) -> None:
        """Be the only one who changes policies until the transaction ends."""
        await self.session.execute(_LOCK)

    async def of_owners(
        self, owner_ids: Collection[str], wanted: PolicyFilter, request: PageRequest
    ) -> Sequence[PolicyRow]:
        """Newest first, one more than the page holds. `InvalidInput` for a foreign cursor."""
        query = select(PolicyRow).where(PolicyRow.owner_id.in_(owner_ids), PolicyRow.deleted_at.is_(None))
        if wanted.name is not None:
            query = query.where(PolicyRow.name == wanted.name)
        if wanted.enabled is not None:
            query = query.where(PolicyRow.enabled == wanted.enabled)
        if request.after is not None:
            query = query.where(PolicyRow.id < id_in(request.after))
        return (await self.session.scalars(query.order_by(PolicyRow.id.desc()).limit(request.limit + 1))).all()

    async def get(self, owner_ids: Collection[str], policy_id: UUID) -> PolicyRow | None:
        """One of the owners' policies."""
        return await self.session.scalar(
            select(PolicyRow).where(
                PolicyRow.id == policy_id, PolicyRow.owner_id.in_(owner_ids), PolicyRow.deleted_at.is_(None)
            )
        )

    async def all_of(self, owner_id: str) -> Sequence[PolicyRow]:
        """Every policy of one owner, the oldest first."""
        query = select(PolicyRow).where(PolicyRow.owner_id == owner_id, PolicyRow.deleted_at.is_(None))
        return (await self.session.scalars(query.order_by(PolicyRow.id))).all()

    async def versions(self, policy_id: UUID) -> Sequence[PolicyVersionRow]:
        """What a policy was, newest first."""
        query = select(PolicyVersionRow).where(PolicyVersionRow.policy_id == policy_id)
        return (await self.session.scalars(query.order_by(PolicyVersionRow.version.desc()))).all()

    async def write(self, row: PolicyRow) -> None:
        """Store a change: its place in the feed, its version, its event. To be called under the lock."""
        newest = await self.session.scalar(select(func.coalesce(func.max(PolicyRow.position), 0)))
        row.position = (newest or 0) + 1
        self.session.add(row)
        await self.session.flush()
        is_over = row.deleted_at is not None
        await self.session.execute(
            insert(PolicyVersionRow).values(
                policy_id=row.id,
                version=row.version,
                text=None if is_over else row.text,
                enabled=row.enabled,
                changed_by=row.updated_by,
            )
        )
        told = PolicyChanged(policy_id=row.id, owner_id=row.owner_id or None, version=row.version)
        await add_to_outbox(self.session, OUTBOX, make_event(SCHEMA, POLICY_CHANGED, str(row.id), told))

    async def after(self, position: int) -> PolicyPage:
        """What changed after a position, whoever's it is."""
        newest = await self.session.scalar(select(func.coalesce(func.max(PolicyRow.position), 0))) or 0
        if newest <= position:  # nearly always, and asked twice a second: looking for rows costs more
            return PolicyPage(position=newest, more=False, items=())
        query = select(PolicyRow).where(PolicyRow.position > position).order_by(PolicyRow.position).limit(_PAGE + 1)
        rows = (await self.session.scalars(query)).all()
        if not rows:  # erased just now
            return PolicyPage(position=position, more=False, items=())
        items = tuple(_fed(row) for row in rows[:_PAGE])
        return PolicyPage(position=rows[:_PAGE][-1].position, more=len(rows) > _PAGE, items=items)


def _fed(row: PolicyRow) -> FedPolicy:
    in_force = row.enabled and row.deleted_at is None
    return FedPolicy(
        id=row.id, owner_id=None if row.owner_id == EVERYBODY else row.owner_id, name=row.name,
        text=row.text if in_force else "", version=row.version, in_force=in_force,
    )  # fmt: skip
