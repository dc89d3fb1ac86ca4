"""How fast an account at a provider is asked: the operator's limits, and what the provider itself says."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from uuid import uuid4

import pytest

from agent_runtime_service.gateway.pace import AccountPace, PaceLimits, TooFast
from agent_runtime_service.gateway.pace_rows import PaceRows, Stretch
from agent_runtime_service.settings import RuntimeSettings
from kgents_shared.db import open_pool
from kgents_shared.testing.model_server import ModelServer, rate_limited
from tests.external.running_runtime import Runtime

StartRuntime = Callable[..., AbstractAsyncContextManager[Runtime]]


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("requests", "tokens"), [(60, None), (None, 60_000), (600, 6000), (1, None), (7, 90)])
def test_no_minute_has_more_than_the_limit_however_much_is_asked_for(requests: int | None, tokens: int | None):
    clock = Clock()
    pace = AccountPace(requests, tokens, 30.0, clock)
    asked: list[float] = []
    for _ in range(2000):
        try:
            asked.append(clock.now + pace.turn_s(4 * 100, 30.0))
        except TooFast as too_fast:
            clock.now += min(too_fast.after_s, 1.0)
    for began in asked:
        within = sum(began <= moment < began + 60 for moment in asked)
        assert requests is None or within <= requests
        # The last one of a burst may be as large as it likes.
        assert tokens is None or (within - 1) * 100 <= tokens
    assert len(asked) > 3


def test_who_would_wait_too_long_is_told_how_long_and_takes_no_place():
    clock = Clock()
    pace = AccountPace(60, None, 2.0, clock)
    waits = [pace.turn_s(1, 60.0) for _ in range(7)]
    assert (waits[0], waits[-1] > 1.0) == (0, True)
    with pytest.raises(TooFast) as refused:
        pace.turn_s(1, 60.0)
    assert refused.value.after_s > 2.0
    with pytest.raises(TooFast) as again:
        pace.turn_s(1, 60.0)
    assert again.value.after_s == refused.value.after_s


def test_a_request_with_less_time_left_than_its_turn_takes_is_refused():
    pace = AccountPace(None, None, 10.0, Clock())
    pace.pause(5.0)
    assert 5.0 <= pace.turn_s(1, 60.0) <= 5.5
    with pytest.raises(TooFast):
        pace.turn_s(1, 3.0)


class Counted(PaceRows):
    """Counts how often a line is asked about."""

    asked = 0

    async def take(self, line: str, length_s: float, most_s: float) -> Stretch | float | None:
        self.asked += 1
        return await super().take(line, length_s, most_s)


async def test_all_fronts_stand_in_one_line_and_ask_about_it_now_and_then(database_url: str):
    async with open_pool(database_url, max_size=4) as pool:
        rows, account = Counted(pool), uuid4().hex
        limits = PaceLimits({"openai": 600}, {}, 0.0, rows)
        fronts = [limits.of("openai", account) for _ in range(3)]
        began, passed = time.monotonic(), 0

        async def ask(pace: AccountPace) -> float:
            try:
                return await pace.turn(1, 60.0)
            except TooFast as too_fast:
                return too_fast.after_s

        for _ in range(60):
            passed += (await asyncio.gather(*(ask(front) for front in fronts))).count(0.0)
        took_s = time.monotonic() - began
        assert 40 <= passed <= 60 + 10 * took_s + 1  # each by itself would have had 60 at once
        assert rows.asked < passed / 2
        await fronts[0].pause_all(30.0)
        assert 20 < await ask(limits.of("openai", account)) <= 30
    assert await limits.of("openai", account).turn(1, 60.0) == 0.0  # without the database each front is alone


async def test_what_a_provider_tells_one_run_holds_for_all_of_its_account(runtime: Runtime, model: ModelServer):
    await runtime.add_agent()
    model.script(rate_limited(3600))
    first = await runtime.send("hello")
    assert (first.status_code, first.json()["code"]) == (503, "provider_rate_limited")
    asked = len(model.requests)
    second = await runtime.send("hello again")
    assert (second.status_code, second.json()["code"]) == (503, "provider_rate_limited")
    assert 60 < int(second.headers["retry-after"]) <= 120
    assert len(model.requests) == asked


async def test_an_account_with_a_limit_is_kept_still_on_every_front(start_runtime: StartRuntime, model: ModelServer):
    account = {"localai_base_url": model.base_url, "localai_api_key": "sk-canary-key"}
    limit = {"provider_requests_per_minute": "localai=600"}
    async with start_runtime(**account, **limit) as one, start_runtime(**account, **limit) as other:
        for front in (one, other):
            await front.add_agent(llm={"provider": "localai"})
        await one.say("hello")
        model.script(rate_limited(3600))
        assert (await one.send("again")).json()["code"] == "provider_rate_limited"
        asked = len(model.requests)
        refused = await other.send("hello")
        assert (refused.status_code, refused.json()["code"]) == (503, "provider_rate_limited")
        assert (60 < int(refused.headers["retry-after"]) <= 120, len(model.requests)) == (True, asked)


def test_the_operators_limits_are_read_by_provider(make_settings: Callable[..., RuntimeSettings]):
    settings = make_settings(provider_requests_per_minute="openai=500, anthropic=50", provider_wait_s=3)
    assert settings.pace_limits == PaceLimits({"openai": 500, "anthropic": 50}, {}, 3.0)
    with pytest.raises(ValueError, match="openai=500"):
        make_settings(provider_tokens_per_minute="openai")
