"""When a crashed instance is started again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from agent_deployment_service.instances.states import Starting
from agent_deployment_service.reconciler.policy import RestartPolicy
from kgents_shared.contracts.agent_spec import AgentSpec

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = RestartPolicy(limit=5, window_s=60, backoff_s=1, backoff_max_s=3)


def instance(crashes: int = 0, since: datetime | None = None) -> Starting:
    made = Starting(
        id=uuid4(),
        deployment_id=uuid4(),
        agent_id=uuid4(),
        version=1,
        generation=1,
        epoch=0,
        spec=AgentSpec(name="a", system_prompt="x"),
        token_hash="t",
    )
    return replace(made, recent_crashes=crashes, window_started_at=since)


def test_the_first_restart_is_immediate_and_the_next_ones_wait_longer_each_time():
    pauses: list[float] = []
    now = instance()
    for _ in range(5):
        crash = POLICY.judge(now, "it fell", NOW)
        pauses.append((crash.next_start_at - NOW).total_seconds())
        now = replace(now, recent_crashes=crash.recent_crashes, window_started_at=crash.window_started_at)
    assert pauses == [0, 1, 2, 3, 3]


def test_it_is_given_up_at_the_limit_within_the_window():
    crash = POLICY.judge(instance(4, NOW - timedelta(seconds=59)), "it fell", NOW)
    assert POLICY.gives_up(crash)


def test_a_crash_after_a_calm_window_counts_as_the_first():
    crash = POLICY.judge(instance(4, NOW - timedelta(seconds=61)), "it fell", NOW)
    assert (crash.recent_crashes, crash.next_start_at, crash.window_started_at) == (1, NOW, NOW)
    assert not POLICY.gives_up(crash)
