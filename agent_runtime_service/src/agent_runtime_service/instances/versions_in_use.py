"""Versions that have no label keep running for as long as somebody talks to them."""

import asyncio
from uuid import UUID

import structlog

from agent_runtime_service.clients import VersionRunner
from agent_runtime_service.execution.active import ActiveRuns
from agent_runtime_service.instances.directory import Instance
from agent_runtime_service.instances.lanes import number_of
from kgents_shared.errors import ApiError

_log = structlog.get_logger("kgents.runtime.versions")


class VersionsInUse:
    """Tells the deployment service which versions are asked for by number, now and then again while they are."""

    def __init__(self, runner: VersionRunner, runs: ActiveRuns, renew_every_s: float) -> None:
        self._runner = runner
        self._runs = runs
        self._renew_every_s = renew_every_s
        self._told: dict[tuple[UUID, int], float] = {}

    async def want(self, agent_id: UUID, number: int) -> None:
        """Have the version run. Raises what the deployment service refuses it with."""
        await self._runner.want(agent_id, number)
        self._told[agent_id, number] = asyncio.get_running_loop().time()

    async def use(self, instance: Instance) -> None:
        """A run is about to be given to the instance."""
        await self.use_lane(instance.registration.agent_id, instance.registration.lane)

    async def use_lane(self, agent_id: UUID, lane: str) -> None:
        """A run is about to need an instance of that lane; a version that was asked for by number may have ended."""
        number = number_of(lane)
        if number is not None:
            await self._renew(agent_id, number)

    async def keep(self) -> None:
        """Endless: what runs were given to is in use until they end."""
        while True:
            await asyncio.sleep(self._renew_every_s)
            now = asyncio.get_running_loop().time()
            self._told = {key: at for key, at in self._told.items() if now - at < self._renew_every_s}
            lanes = {(run.agent_id, run.lane) for run in self._runs.all()}
            for agent_id, lane in lanes:
                if (number := number_of(lane)) is not None:
                    await self._renew(agent_id, number)

    async def _renew(self, agent_id: UUID, number: int) -> None:
        told = self._told.get((agent_id, number))
        if told is not None and asyncio.get_running_loop().time() - told < self._renew_every_s:
            return
        try:
            await self.want(agent_id, number)
        except ApiError as error:
            # It runs as yet; a later message asks again.
            _log.warning("version_not_renewed", agent_id=str(agent_id), version=number, reason=error.detail)
