"""Times of single checks in memory: what → candidate → the median of each round."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.report import median


@dataclass(slots=True)
class CheckTimes:
    """Everything that a run measured: what → candidate → microseconds a check, the median of each round."""

    machine: dict[str, object]
    medians_us: dict[str, dict[str, list[float]]] = field(default_factory=dict[str, dict[str, list[float]]])

    def add(self, what: str, by: str, checks_ns: Sequence[int]) -> None:
        """Take the times of single checks in one round."""
        self.medians_us.setdefault(what, {}).setdefault(by, []).append(median(checks_ns) / 1000)
