"""All SQL on desired state."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from agent_deployment_service.deployments.models import DeploymentRow, RestartRequestRow, WantedVersionRow
from kgents_shared.auth import Reference
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.published_agent import DesiredState, PublishedAgent
from kgents_shared.db import new_id

_KEYS_KEPT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DeploymentRepository:
    """Deployments. What callers ask for is filtered by their owner; the reconciler sees all."""

    session: AsyncSession

    async def apply(self, wanted: PublishedAgent, launcher: str) -> bool:
        """Stores a desired state unless the same or a newer generation is known; whether it was stored."""
        values = {
            "owner_id": wanted.owner_id,
            "name": wanted.name,
            "version": wanted.version,
            "generation": wanted.generation,
            "desired": wanted.desired.value,
            "spec": wanted.spec.model_dump(mode="json") if wanted.spec else None,
            "canary": wanted.canary.model_dump(mode="json") if wanted.canary else None,
            "launcher": launcher,
        }
        statement = insert(DeploymentRow).values(id=new_id(), agent_id=wanted.agent_id, **values)
        stored = await self.session.execute(
            statement.on_conflict_do_update(
                index_elements=[DeploymentRow.agent_id],
                set_={**values, "updated_at": func.now()},
                where=DeploymentRow.generation < statement.excluded.generation,
            ).returning(DeploymentRow.id)
        )
        return stored.one_or_none() is not None

    async def of_agent(self, agent_id: UUID) -> DeploymentRow | None:
        """The deployment of any owner's agent; for the reconciler alone."""
        return await self.session.scalar(select(DeploymentRow).where(DeploymentRow.agent_id == agent_id))

    async def wanted_versions(self, deployment_ids: Sequence[UUID]) -> Sequence[WantedVersionRow]:
        """The versions of these deployments that are asked for by number, oldest version first."""
        rows = await self.session.scalars(
            select(WantedVersionRow)
            .where(WantedVersionRow.deployment_id.in_(deployment_ids), WantedVersionRow.wanted_until > func.now())
            .order_by(WantedVersionRow.version)
        )
        return rows.all()

    async def want_longer(self, deployment_id: UUID, version: int, idle: timedelta) -> bool:
        """Keeps a version that is wanted already for `idle` from now; whether it was."""
        kept = await self.session.execute(
            update(WantedVersionRow)
            .where(
                WantedVersionRow.deployment_id == deployment_id,
                WantedVersionRow.version == version,
                WantedVersionRow.wanted_until > func.now(),
            )
            .values(wanted_until=func.now() + idle)
            .returning(WantedVersionRow.version)
        )
        return kept.one_or_none() is not None

    async def want(self, row: DeploymentRow, version: int, spec: AgentSpec, idle: timedelta, most: int) -> bool:
        """Wants a version for `idle` from now, unless `most` others are wanted already; whether it is now.

        Those whose time is over are forgotten.
        """
        await self.session.refresh(row, with_for_update=True)
        await self.session.execute(
            delete(WantedVersionRow).where(
                WantedVersionRow.deployment_id == row.id, WantedVersionRow.wanted_until <= func.now()
            )
        )
        if sum(one.version != version for one in await self.wanted_versions([row.id])) >= most:
            return False
        values = {"spec": spec.model_dump(mode="json"), "wanted_until": func.now() + idle}
        await self.session.execute(
            insert(WantedVersionRow)
            .values(deployment_id=row.id, version=version, **values)
            .on_conflict_do_update(
                index_elements=[WantedVersionRow.deployment_id, WantedVersionRow.version], set_=values
            )
        )
        return True

    async def generations(self) -> dict[UUID, int]:
        """Agent → generation, of all that is not deleted; for the resync alone."""
        rows = await self.session.execute(
            select(DeploymentRow.agent_id, DeploymentRow.generation).where(
                DeploymentRow.desired != DesiredState.DELETED
            )
        )
        return {row.agent_id: row.generation for row in rows}

    async def delete_at(self, agent_id: UUID, generation: int) -> bool:
        """Marks an agent as deleted that management no longer knows, unless it changed meanwhile; whether it did."""
        changed = await self.session.execute(
            update(DeploymentRow)
            .where(
                DeploymentRow.agent_id == agent_id,
                DeploymentRow.generation == generation,
                DeploymentRow.desired != DesiredState.DELETED,
            )
            .values(desired=DesiredState.DELETED.value, updated_at=func.now())
            .returning(DeploymentRow.id)
        )
        return changed.one_or_none() is not None

    async def to_check(self, agents: Sequence[UUID]) -> Sequence[DeploymentRow]:
        """All that should run, and those of `agents`; for the reconciler alone."""
        rows = await self.session.scalars(
            select(DeploymentRow).where(
                or_(DeploymentRow.desired == DesiredState.RUNNING, DeploymentRow.agent_id.in_(agents))
            )
        )
        return rows.all()

    async def find(self, agent: Reference) -> DeploymentRow | None:
        """The deployment of an agent that a caller means; not a deleted one."""
        named = DeploymentRow.agent_id == agent.id if agent.id is not None else DeploymentRow.name == agent.name
        statement = (
            select(DeploymentRow)
            .where(DeploymentRow.owner_id.in_(agent.owner_ids), DeploymentRow.desired != DesiredState.DELETED, named)
            .order_by(DeploymentRow.agent_id.desc())
            .limit(1)
        )
        return await self.session.scalar(statement)

    async def page(self, owner_ids: Collection[str], limit: int, after: UUID | None) -> Sequence[DeploymentRow]:
        """Up to `limit + 1` of the owners' deployments, newest first."""
        statement = select(DeploymentRow).where(
            DeploymentRow.owner_id.in_(owner_ids), DeploymentRow.desired != DesiredState.DELETED
        )
        if after is not None:
            statement = statement.where(DeploymentRow.id < after)
        rows = await self.session.scalars(statement.order_by(DeploymentRow.id.desc()).limit(limit + 1))
        return rows.all()

    async def remember_restart(self, deployment_id: UUID, key: str) -> bool:
        """Notes an Idempotency-Key; whether it is a new one."""
        await self.session.execute(
            delete(RestartRequestRow).where(
                RestartRequestRow.deployment_id == deployment_id,
                RestartRequestRow.requested_at < func.now() - _KEYS_KEPT,
            )
        )
        noted = await self.session.execute(
            insert(RestartRequestRow)
            .values(deployment_id=deployment_id, key=key)
            .on_conflict_do_nothing()
            .returning(RestartRequestRow.key)
        )
        return noted.one_or_none() is not None

    async def raise_epoch(self, row: DeploymentRow) -> None:
        """Asks for new instances of what runs."""
        row.epoch = DeploymentRow.epoch + 1  # SQL that counts, so that two requests at once count twice
        await self.session.flush()
        await self.session.refresh(row)
