"""Registration of instances: the table and the memory, in this order."""

import asyncio
from uuid import UUID

import structlog

from agent_runtime_service.execution.plan import Planner
from agent_runtime_service.instances.directory import InstanceDirectory
from agent_runtime_service.instances.repository import InstanceRepository
from kgents_shared.contracts.instances import InstanceRegistration, RegisteredInstance

_log = structlog.get_logger("kgents.runtime.instances")
_RELOAD_EVERY_S = 5.0


class InstanceService:
    """Keeps the directory equal to the table."""

    def __init__(self, repository: InstanceRepository, directory: InstanceDirectory, planner: Planner) -> None:
        self._repository = repository
        self._directory = directory
        self._planner = planner

    async def register(self, instance_id: UUID, registration: InstanceRegistration) -> None:
        """Make an instance known; it takes runs from now on if it is ready."""
        await self._repository.put(instance_id, registration)
        self._directory.put(instance_id, registration)
        _log.info(
            "instance_registered",
            instance_id=str(instance_id),
            agent=registration.agent_name,
            version=registration.version,
            state=registration.state,
        )

    async def remove(self, instance_id: UUID) -> None:
        """Forget an instance."""
        await self._repository.delete(instance_id)
        self._directory.remove(instance_id)
        _log.info("instance_removed", instance_id=str(instance_id))

    async def registered(self) -> list[RegisteredInstance]:
        """All instances, as they stand in the table."""
        rows = await self._repository.all()
        return [RegisteredInstance(instance_id=key, **dict(registration)) for key, registration in rows]

    async def keep_current(self) -> None:
        """Endless: load at once, then again every few seconds, since other replicas write the same table."""
        while True:
            revision = self._directory.revision
            rows = await self._repository.all()
            if revision == self._directory.revision:  # else what was read is older than what is known
                self._directory.replace_all(rows)
                self._planner.forget_all_but({key for key, _ in rows})
            await asyncio.sleep(_RELOAD_EVERY_S)
