"""What most benchmarks keep: times by what was done, and the machine that took them."""

import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Times:
    """Everything that a run measured, in milliseconds."""

    machine: dict[str, object]
    times_ms: dict[str, list[float]] = field(default_factory=dict[str, list[float]], kw_only=True)

    def add(self, what: str, began: float) -> None:
        """Take the time since `began` (`time.perf_counter`)."""
        self.times_ms.setdefault(what, []).append((time.perf_counter() - began) * 1000)
