"""An agent's life as a whole, as types (document 001, story 046): what a state can't do is no method of it.

An instance has states of its own (`instances.states`); these are what the agent is to who talks to it. They are derived
from the rows, so that a restart of this service finds the state that it left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import ClassVar, Final, TypeVar
from uuid import UUID

from agent_deployment_service.instances.models import InstanceRow
from agent_deployment_service.instances.states import IllegalTransitionError, InstanceState, LiveInstance
from kgents_shared.contracts.instances import STABLE
from kgents_shared.contracts.published_agent import DesiredState


class LifecycleState(StrEnum):
    """Where an agent stands in its life."""

    UNLOADED = "unloaded"
    """Never published, or deleted."""
    LOADED = "loaded"
    """Wanted; nothing answers yet, or nothing does for the moment."""
    RUNNING = "running"
    """Answers."""
    STOPPED = "stopped"
    """Not wanted."""
    FAILED = "failed"
    """Wanted, and given up after too many crashes."""


TRANSITIONS: Final[Mapping[LifecycleState, frozenset[LifecycleState]]] = MappingProxyType(
    {
        LifecycleState.UNLOADED: frozenset({LifecycleState.LOADED}),
        LifecycleState.LOADED: frozenset({LifecycleState.RUNNING, LifecycleState.FAILED, LifecycleState.STOPPED}),
        LifecycleState.RUNNING: frozenset({LifecycleState.LOADED, LifecycleState.FAILED, LifecycleState.STOPPED}),
        LifecycleState.FAILED: frozenset({LifecycleState.LOADED, LifecycleState.STOPPED}),
        LifecycleState.STOPPED: frozenset({LifecycleState.LOADED, LifecycleState.UNLOADED}),
    }
)


@dataclass(frozen=True, slots=True)
class Agent:
    """What is known of an agent in any state; `reason` is why one failed."""

    state: ClassVar[LifecycleState]

    agent_id: UUID
    reason: str | None = None


StateT = TypeVar("StateT", bound=Agent)


def _move(agent: Agent, to: type[StateT], reason: str | None = None) -> StateT:
    if to.state not in TRANSITIONS[agent.state]:
        raise IllegalTransitionError(f"{agent.state} → {to.state}")
    return to(agent.agent_id, reason)


class Stopped(Agent):
    """Not wanted: it can be published again, or deleted."""

    __slots__ = ()
    state: ClassVar = LifecycleState.STOPPED

    def load(self) -> Loaded:
        """It was published again."""
        return _move(self, Loaded)

    def unload(self) -> Unloaded:
        """It was deleted."""
        return _move(self, Unloaded)


class Failed(Agent):
    """Given up."""

    __slots__ = ()
    state: ClassVar = LifecycleState.FAILED

    def load(self) -> Loaded:
        """Another version, or a restart that its owner asked for."""
        return _move(self, Loaded)

    def stop(self) -> Stopped:
        """Not wanted any more."""
        return _move(self, Stopped)


class Running(Agent):
    """Answers."""

    __slots__ = ()
    state: ClassVar = LifecycleState.RUNNING

    def load(self) -> Loaded:
        """Nothing of it answers for the moment; it is being started again."""
        return _move(self, Loaded)

    def fail(self, reason: str) -> Failed:
        """It crashed too often."""
        return _move(self, Failed, reason)

    def stop(self) -> Stopped:
        """Not wanted any more."""
        return _move(self, Stopped)


class Loaded(Agent):
    """Wanted, and being started."""

    __slots__ = ()
    state: ClassVar = LifecycleState.LOADED

    def run(self) -> Running:
        """An instance answers."""
        return _move(self, Running)

    def fail(self, reason: str) -> Failed:
        """It crashed too often."""
        return _move(self, Failed, reason)

    def stop(self) -> Stopped:
        """Not wanted any more."""
        return _move(self, Stopped)


class Unloaded(Agent):
    """Nothing was ever wanted of it, or nothing ever will be."""

    __slots__ = ()
    state: ClassVar = LifecycleState.UNLOADED

    def load(self) -> Loaded:
        """It was published."""
        return _move(self, Loaded)


AnyAgent = Unloaded | Loaded | Running | Stopped | Failed
Restartable = Loaded | Running | Failed
"""What new instances may be asked of."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What the rows say of an agent: whether it is deleted or wanted, what answers, and what gave up."""

    deleted: bool
    wanted: bool
    answers: bool
    failure: str | None


def observe(
    desired: DesiredState, version: int | None, epoch: int, instances: Iterable[InstanceRow | LiveInstance]
) -> Observed:
    """What is wanted of an agent, in this version and epoch, and what its instances of the stable lane came to."""
    stable = [item for item in instances if item.lane == STABLE]
    given_up = [
        item.last_error or "it crashed too often"
        for item in stable
        if item.state == InstanceState.FAILED and (item.version, item.epoch) == (version, epoch)
    ]
    return Observed(
        deleted=desired == DesiredState.DELETED,
        wanted=desired == DesiredState.RUNNING,
        answers=any(item.state == InstanceState.READY for item in stable),
        failure=given_up[0] if given_up else None,
    )


@dataclass(frozen=True, slots=True)
class LifecycleEvent:
    """One step of an agent's life."""

    agent_id: UUID
    before: LifecycleState
    after: LifecycleState
    reason: str | None


def agent_of(agent_id: UUID, observed: Observed) -> AnyAgent:
    """The agent as it is."""
    *_, last = _path(Unloaded(agent_id), observed)
    return last


def advance(agent: AnyAgent, observed: Observed) -> tuple[AnyAgent, list[LifecycleEvent]]:
    """The agent as it is now, and each step that led there; none is skipped."""
    path = list(_path(agent, observed))
    events = [
        LifecycleEvent(agent.agent_id, before.state, after.state, after.reason)
        for before, after in zip([agent, *path], path, strict=False)
        if before.state != after.state
    ]
    return (path[-1] if path else agent), events


def _path(agent: AnyAgent, observed: Observed) -> Iterable[AnyAgent]:
    """The steps from a state to what is observed, the state itself first."""
    yield agent
    if not observed.wanted:
        yield from _stopping(agent, deleted=observed.deleted)
        return
    if observed.answers:
        loaded = agent if isinstance(agent, Loaded | Running) else agent.load()
        yield loaded
        yield loaded.run() if isinstance(loaded, Loaded) else loaded
    elif observed.failure is not None:
        running = agent if isinstance(agent, Loaded | Running | Failed) else agent.load()
        yield running
        yield running if isinstance(running, Failed) else running.fail(observed.failure)
    else:
        yield agent if isinstance(agent, Loaded) else agent.load()


def _stopping(agent: AnyAgent, *, deleted: bool) -> Iterable[AnyAgent]:
    if isinstance(agent, Unloaded):
        # What is known of and not wanted was published once.
        if not deleted:
            loaded = agent.load()
            yield loaded
            yield loaded.stop()
        return
    stopped = agent if isinstance(agent, Stopped) else agent.stop()
    yield stopped
    if deleted:
        yield stopped.unload()
