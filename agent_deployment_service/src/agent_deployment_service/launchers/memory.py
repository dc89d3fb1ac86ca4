"""A launcher that runs nothing, for tests of what is above it. It passes the conformance suite of the real ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from uuid import UUID

from agent_deployment_service.launchers.protocol import (
    AlreadyLaunchedError,
    ExitReason,
    InstanceExit,
    Launched,
    LaunchError,
    LaunchRequest,
    ProcessRow,
    Protection,
    Usage,
)


def _healthy(_: LaunchRequest) -> bool:
    return True


class InMemoryLauncher:
    """See `launchers.protocol.Launcher`. `becomes_healthy` says which instances ever do; `crash` ends one.

    While `flows_load` is cleared, the launch of a flow waits, as it does where the first one loads lfx.
    """

    name = "memory"

    def __init__(self, becomes_healthy: Callable[[LaunchRequest], bool] = _healthy) -> None:
        self._becomes_healthy = becomes_healthy
        self._running: dict[UUID, tuple[Launched, LaunchRequest]] = {}
        self._gone: dict[UUID, asyncio.Event] = {}
        self._healthy: set[UUID] = set()
        self._exits: asyncio.Queue[InstanceExit] = asyncio.Queue()
        self._lines: dict[UUID, list[str]] = {}
        self._closed = False
        self.flows_load = asyncio.Event()
        self.flows_load.set()

    async def start(self) -> None:
        """Nothing is left over from an earlier one."""

    async def why_not(self, shell: str) -> str | None:
        """It runs none of them equally well."""
        return None

    async def launch(self, request: LaunchRequest) -> Launched:
        """Remembers the instance."""
        if request.instance_id in self._running:
            raise AlreadyLaunchedError(f"instance {request.instance_id} runs already")
        if self._closed:
            raise LaunchError("the launcher is closing")
        if request.flow is not None:
            await self.flows_load.wait()
        url = f"http://{request.instance_id}.memory"
        launched = Launched(request.instance_id, request.agent_id, request.agent_name, url, f"{url}/health", pid=None)
        self._running[request.instance_id] = (launched, request)
        self._gone[request.instance_id] = asyncio.Event()
        self._lines.setdefault(request.agent_id, []).append(f"worker of {request.agent_name} listens")
        return launched

    async def wait_healthy(self, instance_id: UUID, timeout_s: float) -> None:
        """At once, or never."""
        found = self._running.get(instance_id)
        if found is None:
            raise LaunchError("the worker ended before it was healthy")
        if self._becomes_healthy(found[1]):
            self._healthy.add(instance_id)
            return
        try:
            await asyncio.wait_for(self._gone[instance_id].wait(), timeout_s)
        except TimeoutError:
            raise LaunchError(f"the worker was not healthy within {timeout_s:g} s") from None
        raise LaunchError("the worker ended before it was healthy")

    def crash(self, instance_id: UUID, reason: ExitReason = ExitReason.EXITED) -> None:
        """The instance ends by itself."""
        self._end(instance_id, reason, -9)

    def _end(self, instance_id: UUID, reason: ExitReason, code: int | None) -> None:
        ended = self._running.pop(instance_id, None)
        if ended is not None:
            self._healthy.discard(instance_id)
            self._gone.pop(instance_id).set()
            self._exits.put_nowait(InstanceExit(instance_id, ended[1].agent_id, reason, code, str(reason)))

    async def stop(self, instance_id: UUID, grace_s: float) -> None:
        """Ends it at once."""
        self._end(instance_id, ExitReason.STOPPED, 0)

    async def next_exit(self) -> InstanceExit:
        """The next instance that ended."""
        return await self._exits.get()

    def running(self) -> Sequence[Launched]:
        """All that were launched and have not ended."""
        return [launched for launched, _ in self._running.values()]

    async def usage(self, instance_ids: Collection[UUID]) -> Mapping[UUID, Usage]:
        """Nothing uses nothing."""
        nothing = Usage(cpu_s=0.0, memory_mb=0.0, processes=0)
        return {instance_id: nothing for instance_id in instance_ids if instance_id in self._running}

    def request_of(self, instance_id: UUID) -> LaunchRequest:
        """What a running instance was started with."""
        return self._running[instance_id][1]

    async def logs(self, agent_id: UUID, tail: int) -> list[str]:
        """A line per launch."""
        return self._lines.get(agent_id, [])[-tail:]

    async def forget(self, agent_id: UUID) -> None:
        """Drops the lines."""
        self._lines.pop(agent_id, None)

    async def protections(self) -> Sequence[Protection]:
        """There is nothing to protect."""
        return []

    def processes(self) -> Sequence[ProcessRow]:
        """There are none."""
        return []

    async def close(self, grace_s: float) -> None:
        """Ends all of them."""
        self._closed = True
        for instance_id in list(self._running):
            await self.stop(instance_id, grace_s)
