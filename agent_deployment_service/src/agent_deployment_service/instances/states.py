"""The states of an instance, as types: what is not a method here can't be written, and doesn't run.

`TRANSITIONS` is the same as data. The repository changes a row only from the state that it was read in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar, Final, TypeVar
from uuid import UUID

from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.instances import STABLE


class InstanceState(StrEnum):
    """Where an instance stands."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    CRASHED = "crashed"
    FAILED = "failed"
    STOPPED = "stopped"


TRANSITIONS: Final[Mapping[InstanceState, frozenset[InstanceState]]] = MappingProxyType(
    {
        InstanceState.STARTING: frozenset(
            {InstanceState.READY, InstanceState.CRASHED, InstanceState.DRAINING, InstanceState.STOPPED}
        ),
        InstanceState.READY: frozenset({InstanceState.CRASHED, InstanceState.DRAINING, InstanceState.STOPPED}),
        InstanceState.DRAINING: frozenset({InstanceState.STOPPED}),
        InstanceState.CRASHED: frozenset({InstanceState.STARTING, InstanceState.FAILED, InstanceState.STOPPED}),
        InstanceState.FAILED: frozenset({InstanceState.STOPPED}),
        InstanceState.STOPPED: frozenset(),
    }
)


class IllegalTransitionError(Exception):
    """A change of state that `TRANSITIONS` doesn't have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """What is known of an instance in any state.

    `lane` is whom it is there for: `stable`, `canary`, or the number of a version that was asked for. `generation` is
    that of the desired state that it was made for. `epoch` counts the restarts that the owner asked for, `restarts`
    those after crashes; `recent_crashes` counts since `window_started_at`. `token_hash` is the hex SHA-256 of the token
    of the present process.
    """

    state: ClassVar[InstanceState]

    id: UUID
    deployment_id: UUID
    agent_id: UUID
    version: int
    generation: int
    epoch: int
    spec: AgentSpec
    token_hash: str
    lane: str = STABLE
    restarts: int = 0
    recent_crashes: int = 0
    window_started_at: datetime | None = None
    next_start_at: datetime | None = None
    endpoint_url: str | None = None
    health_check_url: str | None = None
    pid: int | None = None
    container_id: str | None = None
    last_error: str | None = None
    started_at: datetime | None = None


StateT = TypeVar("StateT", bound=Instance)


def _move(instance: Instance, to: type[StateT], **changes: Any) -> StateT:
    if to.state not in TRANSITIONS[instance.state]:
        raise IllegalTransitionError(f"{instance.state} → {to.state}")
    kept = {field.name: getattr(instance, field.name) for field in fields(instance)}
    return to(**{**kept, **changes})


class Stopped(Instance):
    """Ended for good."""

    __slots__ = ()
    state: ClassVar = InstanceState.STOPPED


class Failed(Instance):
    """Crashed too often: given up until a new version, a restart by the owner or a restart of the platform."""

    __slots__ = ()
    state: ClassVar = InstanceState.FAILED

    def drop(self) -> Stopped:
        """Not wanted any more."""
        return _move(self, Stopped)


class Crashed(Instance):
    """Ended by itself, or never began; waits until `next_start_at`."""

    __slots__ = ()
    state: ClassVar = InstanceState.CRASHED

    def restart(self, token_hash: str, now: datetime) -> Starting:
        """Its process is started again."""
        return _move(
            self, Starting, token_hash=token_hash, restarts=self.restarts + 1, started_at=now, next_start_at=None
        )

    def give_up(self) -> Failed:
        """It crashed too often."""
        return _move(self, Failed, next_start_at=None)

    def drop(self) -> Stopped:
        """Not wanted any more."""
        return _move(self, Stopped, next_start_at=None)


@dataclass(frozen=True, slots=True)
class Crash:
    """A crash as the restart policy judged it."""

    error: str
    recent_crashes: int
    window_started_at: datetime
    next_start_at: datetime


def _crashed(instance: Instance, crash: Crash) -> Crashed:
    return _move(
        instance,
        Crashed,
        last_error=crash.error,
        recent_crashes=crash.recent_crashes,
        window_started_at=crash.window_started_at,
        next_start_at=crash.next_start_at,
        pid=None,
        container_id=None,
        endpoint_url=None,
        health_check_url=None,
    )


class Draining(Instance):
    """Takes no new runs and ends when those that it has are done."""

    __slots__ = ()
    state: ClassVar = InstanceState.DRAINING

    def ended(self) -> Stopped:
        """Its process is gone."""
        return _move(self, Stopped, pid=None)


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a started instance is found."""

    endpoint_url: str
    health_check_url: str
    pid: int | None
    container_id: str | None


class Starting(Instance):
    """Being launched, not healthy yet."""

    __slots__ = ()
    state: ClassVar = InstanceState.STARTING

    def became_ready(self, where: Whereabouts) -> Ready:
        """Its health check answers."""
        return _move(
            self,
            Ready,
            endpoint_url=where.endpoint_url,
            health_check_url=where.health_check_url,
            pid=where.pid,
            container_id=where.container_id,
        )

    def crashed(self, crash: Crash) -> Crashed:
        """It ended, or could not be started."""
        return _crashed(self, crash)

    def drain(self) -> Draining:
        """Not wanted any more."""
        return _move(self, Draining)

    def lost(self, error: str) -> Stopped:
        """What ran it is gone with everything it ran."""
        return _move(self, Stopped, last_error=error, pid=None)


class Ready(Instance):
    """Healthy."""

    __slots__ = ()
    state: ClassVar = InstanceState.READY

    def crashed(self, crash: Crash) -> Crashed:
        """It ended by itself."""
        return _crashed(self, crash)

    def drain(self) -> Draining:
        """Not wanted any more."""
        return _move(self, Draining)

    def lost(self, error: str) -> Stopped:
        """What ran it is gone with everything it ran."""
        return _move(self, Stopped, last_error=error, pid=None)


AnyInstance = Starting | Ready | Draining | Crashed | Failed | Stopped
LiveInstance = Starting | Ready | Draining | Crashed | Failed

STATE_TYPES: Final[Mapping[InstanceState, type[AnyInstance]]] = MappingProxyType(
    {kind.state: kind for kind in (Starting, Ready, Draining, Crashed, Failed, Stopped)}
)
