"""The instances that are known right now, in memory: no message asks the database where its agent is."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from agent_runtime_service.clients import InstanceObserver
from agent_runtime_service.execution.worker_client import WorkerClient
from kgents_shared.auth import Reference
from kgents_shared.contracts.instances import STABLE, InstanceRegistration

_PROBE_EVERY_S = 0.1


class Instance:
    """A registered instance and the way to it. `suspect` is one whose connection failed lately."""

    def __init__(self, instance_id: UUID, registration: InstanceRegistration) -> None:
        self.instance_id = instance_id
        self.registration = registration
        self.client = WorkerClient(registration.endpoint_url, registration.token_hash)
        self.token_hash = registration.token_hash.encode()
        self.suspect = False
        self.removed = False
        self.runs = 0

    def reached_like(self, registration: InstanceRegistration) -> bool:
        """Whether `registration` is of the same agent at the same address with the same token."""
        mine = self.registration
        return (mine.agent_id, mine.owner_id, mine.agent_name, mine.endpoint_url, mine.token_hash) == (
            registration.agent_id,
            registration.owner_id,
            registration.agent_name,
            registration.endpoint_url,
            registration.token_hash,
        )

    async def release(self) -> None:
        """A run on it ended; the last one closes the connections of an instance that was removed meanwhile."""
        self.runs -= 1
        if self.removed and self.runs == 0:
            await self.client.close()

    @property
    def takes_runs(self) -> bool:
        """Whether a run may be given to it."""
        return self.registration.state == "ready" and not self.suspect

    def serves(self, lane: str) -> bool:
        """Whether it is there for that lane: a version that is asked for by number is answered by any lane's."""
        return lane in (self.registration.lane, str(self.registration.version))


class InstanceDirectory:
    """Instances by id, by agent, and agents by their owner's name for them."""

    def __init__(self, observer: InstanceObserver | None = None) -> None:
        self._observer = observer
        self._instances: dict[UUID, Instance] = {}
        self._by_agent: dict[UUID, list[Instance]] = defaultdict(list)
        self._names: dict[tuple[str, str], UUID] = {}
        self._changed = asyncio.Event()
        self._closing: set[asyncio.Task[None]] = set()
        self.revision = 0

    def get(self, instance_id: UUID) -> Instance | None:
        """The instance of that id."""
        return self._instances.get(instance_id)

    def by_agent(self) -> Mapping[UUID, Sequence[Instance]]:
        """Every agent that has instances, with them."""
        return self._by_agent

    def find_agent(self, agent: Reference) -> UUID | None:
        """The id of the agent that a caller means, if an instance of it is known."""
        if agent.id is None:
            named = (self._names.get((owner_id, agent.name or "")) for owner_id in agent.owner_ids)
            return next((found for found in named if found is not None), None)
        known = self._by_agent.get(agent.id)
        return agent.id if known and known[0].registration.owner_id in agent.owner_ids else None

    def choose(self, agent_id: UUID, lane: str = STABLE) -> Instance | None:
        """The least busy instance of the lane's newest generation that takes runs."""
        best: Instance | None = None
        for instance in self._by_agent.get(agent_id, ()):
            if instance.takes_runs and instance.serves(lane) and (best is None or _rank(instance) > _rank(best)):
                best = instance
        return best

    async def wait_for(self, agent_id: UUID, patience_s: float, lane: str = STABLE) -> Instance | None:
        """An instance that takes runs, as soon as there is one; None after `patience_s` seconds."""
        loop = asyncio.get_running_loop()
        until = loop.time() + patience_s
        while True:
            chosen = self.choose(agent_id, lane)
            left = until - loop.time()
            if chosen is not None or left <= 0:
                return chosen
            self._changed.clear()
            await self._probe(agent_id)
            if self.choose(agent_id, lane) is None:
                await self._wait_for_change(min(left, _PROBE_EVERY_S))

    async def _wait_for_change(self, at_most_s: float) -> None:
        try:
            await asyncio.wait_for(self._changed.wait(), at_most_s)
        except TimeoutError:
            return

    async def _probe(self, agent_id: UUID) -> None:
        """Ask the suspects whether they are well again: a worker that was restarted has the same address."""
        suspects = [row for row in self._by_agent.get(agent_id, ()) if row.suspect]
        answers = await asyncio.gather(*(row.client.is_healthy() for row in suspects))
        for instance, healthy in zip(suspects, answers, strict=True):
            instance.suspect = not healthy

    async def why_lost(self, agent_id: UUID, owner_id: str) -> str | None:
        """Why an instance of the agent last ended by itself, as far as that can be asked."""
        return None if self._observer is None else await self._observer.last_error(agent_id, owner_id)

    def put(self, instance_id: UUID, registration: InstanceRegistration) -> None:
        """Make an instance known, or known anew; its suspicion ends."""
        known = self._instances.get(instance_id)
        if known is not None and known.reached_like(registration):
            known.registration = registration
            known.suspect = False
        else:
            self.remove(instance_id)
            instance = Instance(instance_id, registration)
            self._instances[instance_id] = instance
            self._by_agent[registration.agent_id].append(instance)
            self._names[registration.owner_id, registration.agent_name] = registration.agent_id
        self._announce()

    def remove(self, instance_id: UUID) -> None:
        """Forget an instance; its connections close with its last run."""
        instance = self._instances.pop(instance_id, None)
        if instance is None:
            return
        siblings = self._by_agent[instance.registration.agent_id]
        siblings.remove(instance)
        if not siblings:
            del self._by_agent[instance.registration.agent_id]
            self._names.pop((instance.registration.owner_id, instance.registration.agent_name), None)
        instance.removed = True
        if instance.runs == 0:
            self._close_soon(instance)
        self._announce()

    def replace_all(self, rows: Iterable[tuple[UUID, InstanceRegistration]]) -> None:
        """Make the directory equal to what the table has."""
        wanted = dict(rows)
        for instance_id in [known for known in self._instances if known not in wanted]:
            self.remove(instance_id)
        for instance_id, registration in wanted.items():
            known = self._instances.get(instance_id)
            if known is None or known.registration != registration:
                self.put(instance_id, registration)

    async def close(self) -> None:
        """Close every connection."""
        await asyncio.gather(*(instance.client.close() for instance in self._instances.values()))
        await asyncio.gather(*self._closing)

    def _announce(self) -> None:
        self.revision += 1
        self._changed.set()

    def _close_soon(self, instance: Instance) -> None:
        task = asyncio.get_running_loop().create_task(instance.client.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _rank(instance: Instance) -> tuple[int, int]:
    return instance.registration.generation, -instance.runs
