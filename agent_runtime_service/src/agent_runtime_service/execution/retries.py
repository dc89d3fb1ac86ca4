"""Which failed tries of a run are made again, and when."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from agent_runtime_service.gateway.faults import ProviderFailed
from kgents_shared.errors import ApiError

MOST_TRIES: Final = 5
LONGEST_PAUSE_S: Final = 3600.0
_PASSING: Final = frozenset({"provider_unreachable", "provider_timeout", "provider_cut"})
_UNAVAILABLE: Final = 503
_SERVER_ERROR: Final = 500


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """A run is tried `attempts` times in all; before the second waits `backoff_s`, before each next one twice that."""

    attempts: int
    backoff_s: float

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> "RetryPolicy | None":
        """What `as_json` gave."""
        return None if stored is None else cls(int(stored["attempts"]), float(stored["backoff_s"]))

    def as_json(self) -> dict[str, Any]:
        """The shape on the wire and in `runs.retry`."""
        return asdict(self)

    def pause_s(self, failed_tries: int, retry_after_s: int | None) -> float:
        """How long to wait after so many tries: what the far side asked for, where that is longer."""
        return min(max(self.backoff_s * 2 ** (failed_tries - 1), retry_after_s or 0), LONGEST_PAUSE_S)


@dataclass(frozen=True, slots=True)
class FailedTry:
    """A try that was not the last one: which it was, why it failed, when, and when the next one was due."""

    number: int
    code: str
    detail: str
    failed_at: datetime
    next_at: datetime

    @classmethod
    def now(cls, number: int, code: str, detail: str, pause_s: float) -> "FailedTry":
        """One that has just failed."""
        failed_at = datetime.now(UTC)
        return cls(number, code, detail, failed_at, failed_at + timedelta(seconds=pause_s))

    def as_json(self) -> dict[str, Any]:
        """The shape on the wire and in `runs.failed_tries`."""
        return {
            "number": self.number,
            "code": self.code,
            "detail": self.detail,
            "failed_at": _told(self.failed_at),
            "next_at": _told(self.next_at),
        }


def may_pass(code: str, status: int, model_fault: ApiError | None) -> bool:
    """Whether a fault may be gone in a while: somebody was away, busy or broken, and it wasn't for what was asked."""
    if isinstance(model_fault, ProviderFailed) and model_fault.code == code:
        return model_fault.far_status >= _SERVER_ERROR
    return status == _UNAVAILABLE or code in _PASSING


def _told(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")
