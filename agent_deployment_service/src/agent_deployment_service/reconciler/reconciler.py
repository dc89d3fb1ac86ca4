"""Makes what runs equal to what is desired. One at a time in the whole platform: see `leadership`.

Level-triggered: a look at an agent compares everything that is known of it, whatever made it look. Events and ended
instances only make it look at once; a sweep finds what they missed.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import structlog

from agent_deployment_service.clients import FlowSource
from agent_deployment_service.instances.repository import StaleInstanceError
from agent_deployment_service.instances.states import (
    Crashed,
    Draining,
    Failed,
    Instance,
    Ready,
    Starting,
    Whereabouts,
)
from agent_deployment_service.launchers.protocol import InstanceExit, Launcher, LaunchError, LaunchRequest
from agent_deployment_service.reconciler.decision import (
    Action,
    Drain,
    Drop,
    KeepDraining,
    NoteCrash,
    NoteEnd,
    Restart,
    StartNew,
    Target,
    Watch,
    decide,
)
from agent_deployment_service.reconciler.directory import RuntimeDirectory
from agent_deployment_service.reconciler.lives import Lives
from agent_deployment_service.reconciler.policy import RestartPolicy
from agent_deployment_service.reconciler.store import AgentView, ReconcilerStore
from agent_deployment_service.reconciler.work_queue import WorkQueue
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.db import new_id
from kgents_shared.errors import ApiError

_CONCURRENT_LOOKS: Final = 8
_MAX_ROUNDS: Final = 10
_REGISTRY_RETRY_S: Final = 1.0
_END_TOLD_S: Final = 0.5

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things may take and how often they are looked at, in seconds."""

    health_timeout_s: float
    drain_grace_s: float
    sweep_interval_s: float
    registry_interval_s: float


class Reconciler:
    """Looks at agents that it was woken for. `run` works until cancelled and may be run again."""

    def __init__(
        self,
        store: ReconcilerStore,
        launcher: Launcher,
        directory: RuntimeDirectory,
        flows: FlowSource,
        policy: RestartPolicy,
        pace: Pace,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._launcher = launcher
        self._directory = directory
        self._flows = flows
        self._policy = policy
        self._pace = pace
        self._clock = clock
        self._queue = WorkQueue()
        self._ends: dict[UUID, InstanceExit] = {}
        self._end_heard = asyncio.Event()
        self._faults: dict[UUID, str] = {}
        self._tasks: dict[UUID, asyncio.Task[None]] = {}
        self._launching: set[UUID] = set()
        self._lives = Lives()

    def wake(self, agent_id: UUID) -> None:
        """Have a look at an agent at once."""
        self._queue.add(agent_id)

    async def run(self) -> None:
        """Takes over what is there, then looks whenever there is a reason to."""
        await self._take_over()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._hear_ends())
                group.create_task(self._sweep_for_ever())
                group.create_task(self._resync_registry_for_ever())
                for _ in range(_CONCURRENT_LOOKS):
                    group.create_task(self._look_for_ever())
        finally:
            await self._end_tasks()

    async def settled(self) -> bool:
        """Whether nothing is being done or waited for; for tests."""
        return self._queue.idle and not self._tasks

    async def _take_over(self) -> None:
        """Whatever is noted as living but doesn't run here was lost with the host that ran it."""
        running = self._running()
        for view in await self._store.views():
            for item in view.instances:
                if item.id not in running:
                    await self._note_loss(item)
            self.wake(view.target.agent_id)

    async def _note_loss(self, item: Starting | Ready | Draining | Crashed | Failed) -> None:
        with contextlib.suppress(StaleInstanceError):
            match item:
                case Starting() | Ready():
                    await self._store.change(item, item.lost("lost: the platform was restarted"))
                case Draining():
                    await self._store.change(item, item.ended())
                case Crashed() | Failed():
                    await self._store.change(item, item.drop())

    # -- reasons to look -------------------------------------------------------------------------------------------

    async def _hear_ends(self) -> None:
        while True:
            ended = await self._launcher.next_exit()
            self._ends[ended.instance_id] = ended
            self._end_heard.set()
            self.wake(ended.agent_id)

    async def _sweep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._pace.sweep_interval_s)
            await self.sweep()

    async def sweep(self) -> None:
        """Wakes every agent that is not as it should be, and ends what runs for nobody."""
        running = list(self._launcher.running())
        views = await self._store.views()
        known = {item.id for view in views for item in view.instances}
        for orphan in running:
            if orphan.instance_id not in known:
                _log.warning("orphan_ended", instance=str(orphan.instance_id), agent=orphan.agent_name)
                await self._launcher.stop(orphan.instance_id, 0)
        for view in views:
            if self._decide(view)[0] or not self._directory.is_in_step(view):
                self.wake(view.target.agent_id)

    async def _resync_registry_for_ever(self) -> None:
        while True:
            try:
                views = await self._store.views()
                await self._directory.resync(views)
            except ApiError as error:
                _log.info("runtime_not_resynced", reason=error.detail)
                await asyncio.sleep(_REGISTRY_RETRY_S)
                continue
            for view in views:
                if not self._directory.is_in_step(view):
                    self.wake(view.target.agent_id)
            await asyncio.sleep(self._pace.registry_interval_s)

    async def _look_for_ever(self) -> None:
        while True:
            agent_id = await self._queue.take()
            retry = True
            try:
                await self.look(agent_id)
                retry = False
            except ApiError as error:
                _log.info("agent_not_settled", agent_id=str(agent_id), reason=error.detail)
            except Exception as error:  # noqa: BLE001 -- one agent's fault must not stop the others; it is tried again
                _log.warning("agent_not_reconciled", agent_id=str(agent_id), error=repr(error))
            finally:
                self._queue.done(agent_id, retry=retry)

    # -- one look --------------------------------------------------------------------------------------------------

    async def look(self, agent_id: UUID) -> None:
        """Does what has to be done for one agent, until there is nothing to do but wait."""
        for _ in range(_MAX_ROUNDS):
            view = await self._store.view(agent_id)
            if view is None:
                return
            self._lives.note(view)
            actions, look_again_at = self._decide(view)
            try:
                for target, action in actions:
                    await self._do(target, action)
            except StaleInstanceError:
                continue
            changes = [action for _, action in actions if not isinstance(action, Watch | KeepDraining)]
            if changes and all(isinstance(action, StartNew | Restart) for action in changes):
                # Waiting for its health, or noting that it has none, ends in another look.
                await self._directory.tell(view)
                return
            if changes:
                continue
            if await self._directory.tell(view):
                continue
            if look_again_at is not None:
                self._queue.add_after(agent_id, max(0.0, (look_again_at - self._clock()).total_seconds()))
            if view.deleted and not view.instances:
                await self._launcher.forget(agent_id)
                self._lives.forget(agent_id)
            return
        self.wake(agent_id)

    def _decide(self, view: AgentView) -> tuple[list[tuple[Target, Action]], datetime | None]:
        """The actions of all lanes, each with its lane's target."""
        serving, running, now = self._directory.serving(view), self._running(), self._clock()
        actions: list[tuple[Target, Action]] = []
        appointments: list[datetime] = []
        for lane, target in view.lanes().items():
            instances = [item for item in view.instances if item.lane == lane]
            decision = decide(target, instances, running, serving, now)
            actions += [(target, action) for action in decision.actions if not self._is_waited_for(action)]
            if decision.look_again_at is not None:
                appointments.append(decision.look_again_at)
        return actions, min(appointments, default=None)

    def _is_waited_for(self, action: Action) -> bool:
        return isinstance(action, Watch | KeepDraining) and action.instance.id in self._tasks

    def _running(self) -> set[UUID]:
        """What runs, and what is being launched aside and will run."""
        return {item.instance_id for item in self._launcher.running()} | self._launching

    async def _do(self, target: Target, action: Action) -> None:
        match action:
            case NoteCrash(instance):
                await self._note_crash(instance, await self._why(instance.id))
            case NoteEnd(instance):
                await self._store.change(instance, instance.ended())
                self._forget_end(instance.id)
            case StartNew():
                await self._start_new(target)
            case Restart(instance):
                flow = await self._flow_of(instance.agent_id, instance.version, instance.spec)
                token = secrets.token_hex(32)
                started = instance.restart(_hash(token), self._clock())
                await self._store.change(instance, started)
                await self._launch(target, started, token, flow)
            case Watch(instance):
                self._spawn(instance, self._watch(instance))
            case Drain(instance):
                await self._store.change(instance, instance.drain())
            case KeepDraining(instance):
                self._spawn(instance, self._drain(instance))
            case Drop(instance):
                await self._store.change(instance, instance.drop())

    async def _start_new(self, target: Target) -> None:
        if target.spec is None or target.version is None:
            return
        flow = await self._flow_of(target.agent_id, target.version, target.spec)
        token = secrets.token_hex(32)
        instance = Starting(
            id=new_id(),
            deployment_id=target.deployment_id,
            agent_id=target.agent_id,
            version=target.version,
            generation=target.generation,
            epoch=target.epoch,
            spec=target.spec,
            lane=target.lane,
            token_hash=_hash(token),
            started_at=self._clock(),
        )
        await self._store.add(instance)
        await self._launch(target, instance, token, flow)

    async def _flow_of(self, agent_id: UUID, version: int, spec: AgentSpec) -> dict[str, Any] | None:
        """Asked for before anything is noted as starting: where management is away, that is no crash of the agent's."""
        return None if spec.runtime.flow is None else await self._flows.flow(agent_id, version)

    async def _launch(self, target: Target, instance: Starting, token: str, flow: dict[str, Any] | None) -> None:
        self._forget_end(instance.id)
        request = LaunchRequest(
            instance.id, instance.agent_id, target.name, instance.version, instance.spec, token, flow
        )
        if flow is not None and instance.id not in self._tasks:
            self._launching.add(instance.id)
            self._spawn(instance, self._launch_aside(request, instance))
            return
        try:
            await self._launcher.launch(request)
        except LaunchError as error:
            await self._note_crash(instance, str(error))
        else:
            self._spawn(instance, self._watch(instance))

    async def _launch_aside(self, request: LaunchRequest, instance: Starting) -> None:
        """Launches and watches a flow: the first waits until lfx is loaded, which no other agent's look waits for."""
        try:
            await self._launcher.launch(request)
        except LaunchError as error:
            with contextlib.suppress(StaleInstanceError):
                await self._note_crash(instance, str(error))
            return
        finally:
            self._launching.discard(instance.id)
        await self._watch(instance)

    async def _note_crash(self, instance: Starting | Ready, error: str) -> None:
        crash = self._policy.judge(instance, error, self._clock())
        crashed = instance.crashed(crash)
        await self._store.change(instance, crashed)
        self._forget_end(instance.id)
        _log.warning("instance_crashed", agent_id=str(instance.agent_id), instance=str(instance.id), reason=error)
        if self._policy.gives_up(crash):
            await self._store.change(crashed, crashed.give_up())

    def _forget_end(self, instance_id: UUID) -> None:
        self._ends.pop(instance_id, None)
        self._faults.pop(instance_id, None)

    async def _why(self, instance_id: UUID) -> str:
        """Why an instance ended: a look may see that it is gone a moment before its end is told."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_TOLD_S):
                while instance_id not in self._ends:
                    self._end_heard.clear()
                    await self._end_heard.wait()
        ended = self._ends.get(instance_id)
        fault = self._faults.get(instance_id)
        return fault or (ended.detail if ended else "it ended unnoticed")

    # -- waiting ---------------------------------------------------------------------------------------------------

    def _spawn(self, instance: Instance, waiting: Coroutine[Any, Any, None]) -> None:
        if instance.id in self._tasks:
            waiting.close()
            return
        task = asyncio.create_task(waiting)
        self._tasks[instance.id] = task
        task.add_done_callback(lambda done: self._waited(instance, done))

    def _waited(self, instance: Instance, task: asyncio.Task[None]) -> None:
        self._tasks.pop(instance.id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("instance_wait_failed", instance=str(instance.id), error=repr(error))
            self._queue.add_after(instance.agent_id, 1.0)
        else:
            self.wake(instance.agent_id)

    async def _watch(self, instance: Starting) -> None:
        """Waits until the instance is healthy and notes it; ends one that doesn't get there."""
        try:
            await self._launcher.wait_healthy(instance.id, self._pace.health_timeout_s)
        except LaunchError as error:
            if instance.id in self._running():
                self._faults[instance.id] = str(error)
                await self._launcher.stop(instance.id, 0)
            return
        where = next((item for item in self._launcher.running() if item.instance_id == instance.id), None)
        if where is None:
            return
        found = Whereabouts(where.endpoint_url, where.health_check_url, where.pid, where.container_id)
        with contextlib.suppress(StaleInstanceError):
            await self._store.change(instance, instance.became_ready(found))

    async def _drain(self, instance: Draining) -> None:
        await self._directory.announce_draining(instance)
        await self._launcher.stop(instance.id, self._pace.drain_grace_s)

    async def _end_tasks(self) -> None:
        self._queue.close()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
