"""How a server has been, as this process saw it."""

import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median

from tool_registry_service.errors import WantsAuthorization

_KEPT_LATENCIES = 200


@dataclass(frozen=True, slots=True)
class ServerHealth:
    """What is known of a server. Times of this process: another may have sessions of its own."""

    sessions: int = 0
    in_flight: int = 0
    calls: int = 0
    failures: int = 0
    failures_in_a_row: int = 0
    last_seen_at: datetime | None = None
    last_failed_at: datetime | None = None
    last_failure: str | None = None
    latency_ms_p50: float | None = None
    latency_ms_max: float | None = None
    next_try_in_s: float | None = None
    says: str | None = None
    protocol: str | None = None
    offers: frozenset[str] = frozenset()
    is_unauthorized: bool = False


@dataclass(slots=True)
class HealthRecord:
    """Counts what goes on with one server."""

    calls: int = 0
    failures: int = 0
    failures_in_a_row: int = 0
    last_seen_at: datetime | None = None
    last_failed_at: datetime | None = None
    last_failure: str | None = None
    is_unauthorized: bool = False
    latencies_ms: deque[float] = field(default_factory=lambda: deque[float](maxlen=_KEPT_LATENCIES))

    def answered(self, began: float) -> None:
        """The server answered what was sent at `began` (`time.monotonic`)."""
        self.calls += 1
        self.latencies_ms.append((time.monotonic() - began) * 1000)
        self.seen()

    def seen(self) -> None:
        """The server answered."""
        self.failures_in_a_row = 0
        self.is_unauthorized = False
        self.last_seen_at = datetime.now(UTC)

    def failed(self, error: Exception) -> None:
        """The server could not be used."""
        self.failures += 1
        self.failures_in_a_row += 1
        self.last_failed_at = datetime.now(UTC)
        self.last_failure = str(error)[:500]
        self.is_unauthorized = isinstance(error, WantsAuthorization)

    def latencies(self) -> tuple[float, float] | tuple[None, None]:
        """Median and longest of the latest calls, in milliseconds."""
        kept = list(self.latencies_ms)
        return (median(kept), max(kept)) if kept else (None, None)
