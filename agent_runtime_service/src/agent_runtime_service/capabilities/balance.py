"""Whom to ask of several: the less busy of two that were drawn (power of two choices).

What this front knows of the load is a part of the truth: others give runs, too. Whoever always took the least busy of
all would have every front send to the same agent; of two drawn ones that can't happen.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from agent_runtime_service.capabilities.registry import KnownAgent

Latency = Callable[[KnownAgent], float | None]
_UNKNOWN_S = 1.0


@dataclass(frozen=True, slots=True)
class Ranked:
    """The healthy agents in the order in which they are tried, and why the first one is the first."""

    agents: tuple[KnownAgent, ...]
    why: str


def ranked(agents: Sequence[KnownAgent], latency: Latency, random: Random) -> Ranked:
    """Draw two of the agents that take runs and put the less busy one first; then the other, then the rest."""
    healthy = [agent for agent in agents if agent.ready]
    if len(healthy) < 2:
        return Ranked(tuple(healthy), "the only healthy one")
    known = [seconds for agent in healthy if (seconds := latency(agent)) is not None]
    # Nobody has measured a new one: it is taken for as quick as the quickest, and is measured soon.
    at_best = min(known, default=_UNKNOWN_S)

    def burden(agent: KnownAgent) -> float:
        seconds = latency(agent)
        return (agent.active_runs + 1) / agent.ready * (at_best if seconds is None else seconds)

    random.shuffle(healthy)
    drawn = sorted(healthy[:2], key=burden)
    first = drawn[0]
    why = f"the less busy of 2 drawn from {len(healthy)} healthy ones, with {first.active_runs} runs"
    return Ranked((*drawn, *healthy[2:]), why)
