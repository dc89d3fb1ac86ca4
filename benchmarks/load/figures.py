"""What the load generator is told and what it tells."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """`concurrency` callers, each sending its next message when the last is answered.

    It ends after `seconds` or `max_messages`, whichever comes first. A caller begins a new conversation after
    `turns` messages. `turns` = 1 sends no conversation id at all.
    """

    host: str
    port: int
    path: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    concurrency: int = 1
    seconds: float = 5.0
    max_messages: int = 1_000_000
    turns: int = 1
    remembers: bool = True
    """Whether the candidate keeps conversations, so that each turn must show the model the turns before."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> "LoadPlan":
        return LoadPlan(**json.loads(text))


@dataclass(frozen=True, slots=True)
class LoadFigures:
    """What came of a plan; latencies in milliseconds, of good answers only."""

    messages: int
    errors: int
    seconds: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    first_errors: Sequence[str] = ()

    @property
    def per_second(self) -> float:
        """Good answers a second."""
        return self.messages / self.seconds if self.seconds else 0.0

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> "LoadFigures":
        return LoadFigures(**json.loads(text))

    @staticmethod
    def of(latencies_ms: Sequence[float], errors: Sequence[str], seconds: float) -> "LoadFigures":
        ordered = sorted(latencies_ms)
        return LoadFigures(
            messages=len(ordered),
            errors=len(errors),
            seconds=seconds,
            p50_ms=percentile(ordered, 50),
            p95_ms=percentile(ordered, 95),
            p99_ms=percentile(ordered, 99),
            max_ms=ordered[-1] if ordered else math.nan,
            first_errors=list(errors[:5]),
        )


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of ascending values; NaN of none."""
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(len(ordered) * share / 100) - 1)]
