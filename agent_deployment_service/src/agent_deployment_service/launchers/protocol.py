"""What every launcher does: turns one instance of an agent into something that runs, and tells when it ends.

`process` is the embedded default; containers come with their own. One conformance suite
(`tests/launchers/conformance.py`) runs against each.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from kgents_shared.contracts.agent_spec import AgentSpec


class LaunchError(Exception):
    """An instance could not be started or did not become healthy; the text is fit to show to the agent's owner."""


class AlreadyLaunchedError(LaunchError):
    """An instance of this id runs already: a caller's mistake, never a reason to start a second."""


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """One instance to start. `token` is the secret that the worker shows at the runtime's door, `flow` what an agent of
    Langflow is."""

    instance_id: UUID
    agent_id: UUID
    agent_name: str
    version: int
    spec: AgentSpec
    token: str
    flow: dict[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Launched:
    """A started instance. `endpoint_url` and `health_check_url` are `unix:/abs/worker.sock` (health: `GET /health`
    over it) or `http://host:port`."""

    instance_id: UUID
    agent_id: UUID
    agent_name: str
    endpoint_url: str
    health_check_url: str
    pid: int | None
    container_id: str | None = None


class ExitReason(StrEnum):
    """Why an instance ended."""

    STOPPED = "stopped"
    """Somebody asked for it."""
    EXITED = "exited"
    """It ended by itself, or was killed."""
    OUT_OF_MEMORY = "out_of_memory"
    """The kernel killed it for using more than its limit."""
    LOST = "lost"
    """What ran it went away, such as the fork server."""


@dataclass(frozen=True, slots=True)
class InstanceExit:
    """An instance ended. `code` is its exit code, or minus the number of the signal that killed it."""

    instance_id: UUID
    agent_id: UUID
    reason: ExitReason
    code: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """One process of the launcher as `kgents server status` shows it."""

    role: str
    pid: int
    agent: str | None
    instance_id: UUID | None
    state: str


@dataclass(frozen=True, slots=True)
class Protection:
    """One wall around an instance, and whether it really stands; `detail` says why not."""

    name: str
    on: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """What an instance uses: processor time since its start, and memory and processes now. None where nothing says."""

    cpu_s: float
    memory_mb: float | None
    processes: int | None


class Launcher(Protocol):
    """Starts, watches and ends instances. One object serves one event loop."""

    @property
    def name(self) -> str:
        """`process`, `docker`, …"""
        ...

    async def start(self) -> None:
        """Ends whatever an earlier server left running, then makes ready. Cheap: does not wait for the first launch."""
        ...

    async def why_not(self, shell: str) -> str | None:
        """Why no agent of the shell can be launched, fit to show to its owner; None where one can."""
        ...

    async def launch(self, request: LaunchRequest) -> Launched:
        """Starts an instance and returns once it exists. Raises LaunchError; nothing is left behind then."""
        ...

    async def wait_healthy(self, instance_id: UUID, timeout_s: float) -> None:
        """Returns as soon as `GET /health` answers 200. Raises LaunchError when the instance ends or time is up."""
        ...

    async def stop(self, instance_id: UUID, grace_s: float) -> None:
        """Asks the instance to drain and end, makes it end after `grace_s`, and returns when it is gone.

        Unknown or ended instances are no fault. An exit with `ExitReason.STOPPED` is told unless it had ended before.
        """
        ...

    async def next_exit(self) -> InstanceExit:
        """The next instance that ended, each told once, in the order of their ends."""
        ...

    def running(self) -> Sequence[Launched]:
        """All instances that were launched and have not ended."""
        ...

    async def usage(self, instance_ids: Collection[UUID]) -> Mapping[UUID, Usage]:
        """What these instances use now; without those that don't run."""
        ...

    async def logs(self, agent_id: UUID, tail: int) -> list[str]:
        """The newest `tail` lines of what the agent's instances wrote, oldest first."""
        ...

    async def forget(self, agent_id: UUID) -> None:
        """Deletes what is kept of an agent that is gone for good, its logs above all."""
        ...

    async def protections(self) -> Sequence[Protection]:
        """Which walls stand around an instance, observed from inside one."""
        ...

    def processes(self) -> Sequence[ProcessRow]:
        """The launcher's processes and their state."""
        ...

    async def close(self, grace_s: float) -> None:
        """Drains and ends every instance and all that the launcher started."""
        ...
