"""All SQL on instances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from agent_deployment_service.instances.models import InstanceRow
from agent_deployment_service.instances.states import (
    STATE_TYPES,
    AnyInstance,
    IllegalTransitionError,
    Instance,
    InstanceState,
    LiveInstance,
    Starting,
    Stopped,
)
from kgents_shared.contracts.agent_spec import AgentSpec

_KEPT_ENDED = 5


class StaleInstanceError(Exception):
    """The row is not in the state any more that it was read in: somebody else changed it; read it again."""


@dataclass(frozen=True, slots=True)
class InstanceRepository:
    """Instances of all owners; only the reconciler writes."""

    session: AsyncSession

    async def add(self, instance: Starting) -> None:
        """A new instance."""
        await self.session.execute(insert(InstanceRow).values(**_columns(instance)))

    async def change(self, before: LiveInstance, after: AnyInstance) -> None:
        """Moves a row from one state to another; StaleInstanceError when it is not in the first one."""
        if before.id != after.id:
            raise IllegalTransitionError("an instance doesn't become another one")
        changed = await self.session.execute(
            update(InstanceRow)
            .where(
                InstanceRow.id == before.id,
                InstanceRow.state == before.state,
                InstanceRow.restarts == before.restarts,
            )
            .values(**_columns(after), updated_at=func.now())
            .returning(InstanceRow.id)
        )
        if changed.one_or_none() is None:
            raise StaleInstanceError(f"instance {before.id} is not {before.state} any more")

    async def live_of(self, agent_id: UUID) -> list[LiveInstance]:
        """All instances of an agent that are not stopped, oldest first."""
        rows = await self.session.scalars(
            select(InstanceRow)
            .where(InstanceRow.agent_id == agent_id, InstanceRow.state != InstanceState.STOPPED)
            .order_by(InstanceRow.id)
        )
        return [found for row in rows if not isinstance(found := _instance(row), Stopped)]

    async def live(self) -> list[LiveInstance]:
        """All instances that are not stopped."""
        rows = await self.session.scalars(select(InstanceRow).where(InstanceRow.state != InstanceState.STOPPED))
        return [found for row in rows if not isinstance(found := _instance(row), Stopped)]

    async def shown(self, deployment_ids: Sequence[UUID]) -> Sequence[InstanceRow]:
        """The instances to show for deployments, newest first: those that live and the last few that ended."""
        rows = await self.session.scalars(
            select(InstanceRow).where(InstanceRow.deployment_id.in_(deployment_ids)).order_by(InstanceRow.id.desc())
        )
        return rows.all()

    async def prune(self, deployment_id: UUID) -> None:
        """Deletes all but the last few ended instances of a deployment."""
        kept = (
            select(InstanceRow.id)
            .where(InstanceRow.deployment_id == deployment_id, InstanceRow.state == InstanceState.STOPPED)
            .order_by(InstanceRow.id.desc())
            .limit(_KEPT_ENDED)
        )
        await self.session.execute(
            delete(InstanceRow).where(
                InstanceRow.deployment_id == deployment_id,
                InstanceRow.state == InstanceState.STOPPED,
                InstanceRow.id.not_in(kept),
            )
        )


def _columns(instance: Instance) -> dict[str, Any]:
    return {
        "id": instance.id,
        "deployment_id": instance.deployment_id,
        "agent_id": instance.agent_id,
        "version": instance.version,
        "lane": instance.lane,
        "generation": instance.generation,
        "epoch": instance.epoch,
        "spec": instance.spec.model_dump(mode="json"),
        "state": instance.state.value,
        "token_hash": instance.token_hash,
        "restarts": instance.restarts,
        "recent_crashes": instance.recent_crashes,
        "window_started_at": instance.window_started_at,
        "next_start_at": instance.next_start_at,
        "endpoint_url": instance.endpoint_url,
        "health_check_url": instance.health_check_url,
        "pid": instance.pid,
        "container_id": instance.container_id,
        "last_error": instance.last_error,
        "started_at": instance.started_at,
    }


def _instance(row: InstanceRow) -> AnyInstance:
    kind = STATE_TYPES[InstanceState(row.state)]
    return kind(
        id=row.id,
        deployment_id=row.deployment_id,
        agent_id=row.agent_id,
        version=row.version,
        lane=row.lane,
        generation=row.generation,
        epoch=row.epoch,
        spec=AgentSpec.model_validate(row.spec),
        token_hash=row.token_hash,
        restarts=row.restarts,
        recent_crashes=row.recent_crashes,
        window_started_at=row.window_started_at,
        next_start_at=row.next_start_at,
        endpoint_url=row.endpoint_url,
        health_check_url=row.health_check_url,
        pid=row.pid,
        container_id=row.container_id,
        last_error=row.last_error,
        started_at=row.started_at,
    )
