"""A run that repeats another one's question: with another version or model, and without calling any tool."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

import orjson

from agent_runtime_service.execution.active import RunPlan
from agent_runtime_service.gateway.choice import PlannedModel
from kgents_shared.contracts.tools import InvokeToolAnswer
from kgents_shared.db import HotPool

_NOT_REPLAYED: Final = (
    "not replayed: the run that is repeated made no such call, and nothing is called while it is repeated."
)
_REPLAY = "SELECT replay_of, provider, model FROM runtime.run_origins WHERE run_id = %s AND replay_of IS NOT NULL"
_RESULTS = """
SELECT name, arguments, result FROM runtime.tool_calls WHERE run_id = %s AND result IS NOT NULL
ORDER BY created_at, tool_call_id
"""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a call gave in the run that is repeated."""

    content: str
    is_error: bool


@dataclass(slots=True)
class Replay:
    """What stands in for the tools of one run, and which model answers it where another one is asked for."""

    of: UUID
    provider: str | None
    model: str | None
    results: Mapping[str, list[Recorded]] = field(default_factory=dict[str, list[Recorded]])
    _given: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    def on(self, plan: RunPlan) -> RunPlan:
        """The plan of the run: no answer that was kept from another one, and the other model alone."""
        if self.provider is None or self.model is None:
            return replace(plan, cache_s=None)
        account = next((one.credential for one in plan.models if one.choice.provider == self.provider), None)
        choice = plan.models[0].choice.model_copy(update={"provider": self.provider, "model": self.model})
        wire: dict[str, Any] = orjson.loads(b"{%b}" % plan.wire)
        wire |= {"llm": choice.model_dump(mode="json"), "fallbacks": []}
        return replace(plan, cache_s=None, models=(PlannedModel(choice, account),), wire=orjson.dumps(wire)[1:-1])

    def answer(self, name: str, arguments: Mapping[str, Any]) -> InvokeToolAnswer:
        """What an equal call gave, the first one first; the last one again for more than there were."""
        key = call_key(name, arguments)
        recorded = self.results.get(key)
        if not recorded:
            return InvokeToolAnswer(content=f"{name} is {_NOT_REPLAYED}", is_error=True)
        found = recorded[min(self._given[key], len(recorded) - 1)]
        self._given[key] += 1
        return InvokeToolAnswer(content=found.content, is_error=found.is_error)


def call_key(name: str, arguments: Any) -> str:
    """Equal for equal calls, however their arguments are ordered."""
    return f"{name} {orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS).decode()}"


def results_by_call(rows: Iterable[tuple[str, Any, Any]]) -> dict[str, list[Recorded]]:
    """Recorded results from (name, arguments, result), in their order."""
    results: defaultdict[str, list[Recorded]] = defaultdict(list)
    for name, arguments, result in rows:
        recorded = Recorded(str(result.get("text", "")), bool(result.get("is_error", False)))
        results[call_key(name, arguments)].append(recorded)
    return dict(results)


class Replays:
    """Which runs are replays. Whoever takes a run over asks here before it may call a tool."""

    def __init__(self, pool: HotPool) -> None:
        self._pool = pool

    async def of(self, run_id: UUID) -> Replay | None:
        """What stands in for the run's tools; None for a run whose tools are called."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_REPLAY, (run_id,))).fetchone()
        return None if row is None else await self.made_of(row[0], row[1], row[2])

    async def made_of(self, run_id: UUID, provider: str | None, model: str | None) -> Replay:
        """A replay of that run."""
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(_RESULTS, (run_id,))).fetchall()
        return Replay(run_id, provider, model, results_by_call((row[0], row[1], row[2]) for row in rows))
