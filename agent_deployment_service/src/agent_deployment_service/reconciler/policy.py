"""When a crashed instance is started again, and when it is given up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from agent_deployment_service.instances.states import Crash, Instance


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """The first restart of a window is immediate, the next ones wait `backoff_s`, twice that, and so on up to
    `backoff_max_s`. After `limit` crashes within `window_s` seconds the instance is given up."""

    limit: int
    window_s: float
    backoff_s: float
    backoff_max_s: float

    def judge(self, instance: Instance, error: str, now: datetime) -> Crash:
        """What a crash at `now` means for the instance."""
        began = instance.window_started_at
        fresh = began is None or now - began > timedelta(seconds=self.window_s)
        crashes = 1 if fresh else instance.recent_crashes + 1
        pause = 0.0 if crashes == 1 else min(self.backoff_max_s, self.backoff_s * 2.0 ** (crashes - 2))
        return Crash(
            error=error,
            recent_crashes=crashes,
            window_started_at=now if began is None or fresh else began,
            next_start_at=now + timedelta(seconds=pause),
        )

    def gives_up(self, crash: Crash) -> bool:
        """Whether that was one crash too many."""
        return crash.recent_crashes >= self.limit
