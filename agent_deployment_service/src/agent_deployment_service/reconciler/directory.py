"""What the runtime was told of the instances, and telling it what is new."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

import structlog

from agent_deployment_service.clients import InstanceRegistry
from agent_deployment_service.instances.states import Draining, LiveInstance, Ready
from agent_deployment_service.reconciler.store import AgentView
from kgents_shared.contracts.instances import InstanceRegistration
from kgents_shared.errors import ApiError

_log = structlog.get_logger(__name__)


class RuntimeDirectory:
    """Keeps the runtime's instances equal to those that are ready. The runtime may lose them: see `resync`."""

    def __init__(self, registry: InstanceRegistry) -> None:
        self._registry = registry
        self._known: dict[UUID, InstanceRegistration] = {}

    def serving(self, view: AgentView) -> set[UUID]:
        """The ready instances of an agent that the runtime knows as they are."""
        return {item.id for item in view.instances if isinstance(item, Ready) and self._is_known(view, item)}

    def is_in_step(self, view: AgentView) -> bool:
        """Whether there is nothing to tell of the agent."""
        ready = {item.id for item in view.instances if isinstance(item, Ready)}
        return ready == self.serving(view) and not self._outdated(view)

    async def tell(self, view: AgentView) -> bool:
        """Registers what is ready and removes what is gone; whether there was something to tell. `ApiError`."""
        told = False
        for item in view.instances:
            if isinstance(item, Ready) and not self._is_known(view, item):
                registration = _registration(view, item)
                await self._registry.put(item.id, registration)
                self._known[item.id] = registration
                told = True
        for instance_id in self._outdated(view):
            await self._registry.remove(instance_id)
            self._known.pop(instance_id, None)
            told = True
        return told

    async def announce_draining(self, instance: Draining) -> None:
        """Has the runtime give the instance no new runs; a runtime that is away gives none anyway."""
        known = self._known.get(instance.id)
        if known is None or known.state == "draining":
            return
        draining = known.model_copy(update={"state": "draining"})
        try:
            await self._registry.put(instance.id, draining)
        except ApiError as error:
            _log.warning("draining_not_announced", instance=str(instance.id), reason=error.detail)
            return
        self._known[instance.id] = draining

    async def resync(self, views: Iterable[AgentView]) -> None:
        """Asks the runtime what it knows, and removes what belongs to no living instance. `ApiError`."""
        self._known = await self._registry.registered()
        living = {item.id for view in views for item in view.instances if isinstance(item, Ready | Draining)}
        for instance_id in [known for known in self._known if known not in living]:
            await self._registry.remove(instance_id)
            self._known.pop(instance_id, None)

    def _is_known(self, view: AgentView, instance: Ready) -> bool:
        return self._known.get(instance.id) == _registration(view, instance)

    def _outdated(self, view: AgentView) -> list[UUID]:
        kept = {item.id for item in view.instances if isinstance(item, Ready | Draining)}
        return [
            instance_id
            for instance_id, known in self._known.items()
            if known.agent_id == view.target.agent_id and instance_id not in kept
        ]


def _registration(view: AgentView, instance: Ready) -> InstanceRegistration:
    target = view.lanes()[instance.lane]
    return InstanceRegistration(
        agent_id=instance.agent_id,
        agent_name=target.name,
        owner_id=target.owner_id,
        version=instance.version,
        generation=instance.generation,
        spec=instance.spec,
        endpoint_url=instance.endpoint_url or "",
        token_hash=instance.token_hash,
        state="ready",
        lane=instance.lane,
        share=target.share,
    )


def ids(instances: Iterable[LiveInstance]) -> set[UUID]:
    """Their ids."""
    return {item.id for item in instances}
