"""What is to be done so that an agent's instances become what is desired: a pure function over what is known.

Each lane of an agent (stable, canary, versions that are asked for) is decided for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from agent_deployment_service.instances.states import (
    Crashed,
    Draining,
    Failed,
    InstanceState,
    LiveInstance,
    Ready,
    Starting,
)
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.instances import STABLE


@dataclass(frozen=True, slots=True)
class Target:
    """What should run in one lane of an agent; `version` and `spec` are None when nothing should."""

    deployment_id: UUID
    agent_id: UUID
    owner_id: str
    name: str
    generation: int
    epoch: int
    version: int | None
    spec: AgentSpec | None
    lane: str = STABLE
    share: int = 0

    @property
    def replicas(self) -> int:
        """How many instances of it run side by side; beside the stable lane it is one."""
        return self.spec.runtime.replicas if self.spec is not None and self.lane == STABLE else 1


@dataclass(frozen=True, slots=True)
class NoteCrash:
    """The instance's process is gone without being asked to."""

    instance: Starting | Ready


@dataclass(frozen=True, slots=True)
class NoteEnd:
    """A draining instance's process is gone."""

    instance: Draining


@dataclass(frozen=True, slots=True)
class StartNew:
    """A new instance of the target."""


@dataclass(frozen=True, slots=True)
class Restart:
    """A crashed instance's time has come."""

    instance: Crashed


@dataclass(frozen=True, slots=True)
class Watch:
    """Wait, in the background, until the instance is healthy."""

    instance: Starting


@dataclass(frozen=True, slots=True)
class Drain:
    """No new runs for the instance; end it when its runs are done."""

    instance: Starting | Ready


@dataclass(frozen=True, slots=True)
class KeepDraining:
    """See to it that the instance is being ended."""

    instance: Draining


@dataclass(frozen=True, slots=True)
class Drop:
    """Nothing runs of the instance, and nothing should."""

    instance: Crashed | Failed


Action = NoteCrash | NoteEnd | StartNew | Restart | Watch | Drain | KeepDraining | Drop


@dataclass(frozen=True, slots=True)
class Decision:
    """Actions to take now, and when to look again if nothing happens until then."""

    actions: list[Action] = field(default_factory=list[Action])
    look_again_at: datetime | None = None


_PREFERENCE: Final = (InstanceState.READY, InstanceState.STARTING, InstanceState.CRASHED, InstanceState.FAILED)


def decide(
    target: Target, instances: Sequence[LiveInstance], running: set[UUID], registered: set[UUID], now: datetime
) -> Decision:
    """Compares the target with what is observed of its lane.

    `running` are the instances that the launcher runs, `registered` those that the runtime knows to be ready. An old
    version keeps serving until a new one is ready and registered, also when the new one never gets there.
    """
    ended = _ended(instances, running)
    if ended:
        return Decision(ended)
    draining: list[Action] = [KeepDraining(item) for item in instances if isinstance(item, Draining)]
    others = [item for item in instances if not isinstance(item, Draining)]
    if target.spec is None:
        return Decision(draining + [_retire(item) for item in others])
    fitting = [item for item in others if (item.version, item.epoch) == (target.version, target.epoch)]
    fitting.sort(key=lambda item: (_PREFERENCE.index(item.state), item.id))
    kept, too_many = fitting[: target.replicas], fitting[target.replicas :]
    actions = draining + [_retire(item) for item in too_many]
    outdated = [item for item in others if item not in fitting]
    takes_over = _takes_over(kept, target.replicas, registered)
    actions += [_retire(item) for item in outdated if takes_over or not isinstance(item, Ready)]
    appointments: list[datetime] = []
    for item in kept:
        match item:
            case Starting():
                actions.append(Watch(item))
            case Crashed():
                if item.next_start_at is None or item.next_start_at <= now:
                    actions.append(Restart(item))
                else:
                    appointments.append(item.next_start_at)
            case Ready() | Failed():
                pass
    actions += [StartNew()] * (target.replicas - len(kept))
    return Decision(actions, min(appointments, default=None))


def _takes_over(kept: Sequence[Starting | Ready | Crashed | Failed], replicas: int, registered: set[UUID]) -> bool:
    """Whether the wanted version does its work, so that what is outdated may end: one answers, none is to come."""
    serving = [item for item in kept if isinstance(item, Ready) and item.id in registered]
    given_up = [item for item in kept if isinstance(item, Failed)]
    return bool(serving) and len(serving) + len(given_up) == replicas


def _ended(instances: Sequence[LiveInstance], running: set[UUID]) -> list[Action]:
    found: list[Action] = []
    for item in instances:
        if item.id in running:
            continue
        if isinstance(item, Draining):
            found.append(NoteEnd(item))
        elif isinstance(item, Starting | Ready):
            found.append(NoteCrash(item))
    return found


def _retire(item: Starting | Ready | Crashed | Failed) -> Action:
    return Drop(item) if isinstance(item, Crashed | Failed) else Drain(item)
