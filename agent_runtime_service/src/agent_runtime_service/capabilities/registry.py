"""Which agents can do what: read from the instances that run, so that it follows every deployment (document 001)."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

from agent_runtime_service.instances.directory import Instance, InstanceDirectory
from kgents_shared.contracts.instances import STABLE

GONE_FOR_S: Final = 300.0
_WEIGHT: Final = 0.2


class KnownAgent:
    """One agent with the instances that answer who asks for no version. `owner_id` is whose it is."""

    def __init__(self, instances: Sequence[Instance]) -> None:
        newest = instances[0].registration
        if len(instances) > 1:
            newest = max(instances, key=lambda instance: instance.registration.generation).registration
        self.agent_id: UUID = newest.agent_id
        self.name = newest.agent_name
        self.owner_id = newest.owner_id
        self.capabilities = tuple(newest.spec.capabilities)
        self.instances = instances

    @property
    def ready(self) -> int:
        """How many of its instances take runs right now."""
        return sum(instance.takes_runs for instance in self.instances)

    @property
    def active_runs(self) -> int:
        """How many runs this front has given to it."""
        return sum(instance.runs for instance in self.instances)


class CapabilityRegistry:
    """Agents by owner and capability. It is made anew when an instance came, went or changed, at the next question.

    What an agent took for its latest answers is kept as a moving average, in seconds.
    """

    def __init__(self, directory: InstanceDirectory) -> None:
        self._directory = directory
        self._revision = -1
        self._known: dict[str, dict[str, list[KnownAgent]]] = {}
        self._names: dict[UUID, str] = {}
        self._gone: dict[tuple[str, str], float] = {}
        self._latencies: dict[UUID, float] = {}

    def having(self, owner_ids: Collection[str], capability: str) -> list[KnownAgent]:
        """The owners' agents with that capability that have an instance, well or not."""
        known = self._current()
        return [agent for owner_id in owner_ids for agent in known.get(owner_id, {}).get(capability, ())]

    def of_owners(self, owner_ids: Collection[str]) -> dict[str, list[KnownAgent]]:
        """All capabilities of the owners' agents that have an instance, in the order of their names."""
        known = self._current()
        found: dict[str, list[KnownAgent]] = defaultdict(list)
        for owner_id in owner_ids:
            for capability, agents in known.get(owner_id, {}).items():
                found[capability] += agents
        return dict(sorted(found.items()))

    def name_of(self, agent_id: UUID) -> str | None:
        """What the agent is called; None for one without instances."""
        self._current()
        return self._names.get(agent_id)

    def was_there(self, owner_ids: Collection[str], capability: str) -> bool:
        """Whether an agent of the owners had it some minutes ago: one that is started again is soon back."""
        self._current()
        now = _now()
        return any(now - self._gone.get((owner_id, capability), -GONE_FOR_S) < GONE_FOR_S for owner_id in owner_ids)

    def latency(self, agent_id: UUID) -> float | None:
        """Seconds that the agent's latest answers took; None for one that has given none here."""
        return self._latencies.get(agent_id)

    def note_latency(self, agent_id: UUID, seconds: float) -> None:
        """An answer took so long."""
        before = self._latencies.get(agent_id, seconds)
        self._latencies[agent_id] = before + _WEIGHT * (seconds - before)

    def _current(self) -> dict[str, dict[str, list[KnownAgent]]]:
        if self._revision != self._directory.revision:
            self._revision = self._directory.revision
            self._make()
        return self._known

    def _make(self) -> None:
        before, now = self._known, _now()
        known: dict[str, dict[str, list[KnownAgent]]] = defaultdict(lambda: defaultdict(list))
        names: dict[UUID, str] = {}
        for instances in self._directory.by_agent().values():
            stable = [instance for instance in instances if instance.registration.lane == STABLE]
            if stable:
                agent = KnownAgent(stable)
                names[agent.agent_id] = agent.name
                for capability in agent.capabilities:
                    known[agent.owner_id][capability].append(agent)
        self._names = names
        self._known = {owner_id: dict(found) for owner_id, found in known.items()}
        self._latencies = {key: seconds for key, seconds in self._latencies.items() if key in names}
        left = {(owner, name) for owner, found in before.items() for name in found if name not in known.get(owner, {})}
        back = {(owner, name) for owner, found in known.items() for name in found}
        self._gone = {key: at for key, at in self._gone.items() if now - at < GONE_FOR_S and key not in back}
        self._gone |= dict.fromkeys(left, now)


def _now() -> float:
    return asyncio.get_running_loop().time()
