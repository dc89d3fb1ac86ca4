"""Sends runs to where the operator wants them told, in batches, after their end: no run waits for it.

What can't be sent is kept for a while and then dropped, oldest first; what was dropped is counted and logged.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import aiohttp
import psycopg
import structlog
from psycopg_pool import PoolTimeout

from agent_runtime_service.telemetry.target import TelemetryTarget
from agent_runtime_service.telemetry.told import Told
from agent_runtime_service.traces.repository import TraceRepository

_log = structlog.get_logger("kgents.runtime.telemetry")
_EVERY_S: Final = 1.0
# Calls of models and notes are written twice a second, by whichever front saw them.
_SETTLED_S: Final = 1.5
_BATCH: Final = 100
_MOST_WAITING: Final = 10_000
_TIMEOUT_S: Final = 10.0
_LONGEST_PAUSE_S: Final = 30.0
_TRIES: Final = 5
_TRIED_AGAIN: Final = frozenset({429, 502, 503, 504})  # OTLP/HTTP, "Retryable Response Codes"


class _NotNow(Exception):
    """The far side may take the batch later."""


class _NotTaken(Exception):
    """The far side refused a batch for good."""


_MAY_PASS: Final = (_NotNow, aiohttp.ClientError, OSError, TimeoutError, psycopg.OperationalError, PoolTimeout)


class RunExporter:
    """Told of each run that ends; without a target it does nothing."""

    def __init__(self, repository: TraceRepository, target: TelemetryTarget | None) -> None:
        self._repository = repository
        self._target = target
        self._waiting: deque[tuple[float, UUID]] = deque()
        self._session: aiohttp.ClientSession | None = None
        self.sent = 0
        self.dropped = 0

    @property
    def is_on(self) -> bool:
        """Whether runs are told at all."""
        return self._target is not None

    def ended(self, run_id: UUID) -> None:
        """A run has ended, and is told in a moment."""
        if self._target is None:
            return
        if len(self._waiting) >= _MOST_WAITING:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append((time.monotonic(), run_id))

    async def run(self) -> None:
        """Endless: send what ended a moment ago."""
        while True:
            await asyncio.sleep(_EVERY_S)
            while batch := self._due():
                await self._send_patiently(batch)

    async def close(self) -> None:
        """Send what is left, once; then let go."""
        batch: list[UUID] = []
        try:
            while batch := self._due(all_of_it=True):
                await self._send(batch)
        except (*_MAY_PASS, _NotTaken, psycopg.Error) as error:
            self._drop(len(batch) + len(self._waiting), error)
        if self._session is not None:
            await self._session.close()

    def _due(self, *, all_of_it: bool = False) -> list[UUID]:
        until = time.monotonic() - (0 if all_of_it else _SETTLED_S)
        batch: list[UUID] = []
        while self._waiting and len(batch) < _BATCH and self._waiting[0][0] <= until:
            batch.append(self._waiting.popleft()[1])
        return batch

    async def _send_patiently(self, batch: Sequence[UUID]) -> None:
        try:
            fault = await self._sent_within_tries(batch)
        except asyncio.CancelledError:
            self._waiting.extendleft((0.0, run_id) for run_id in reversed(batch))  # for `close`
            raise
        if fault is not None:
            self._drop(len(batch), fault)

    async def _sent_within_tries(self, batch: Sequence[UUID]) -> Exception | None:
        """Send a batch, again and again for a while; why that failed, where it did."""
        pause_s = 1.0
        for number in range(_TRIES):
            try:
                await self._send(batch)
            except _NotTaken as refused:
                return refused
            except _MAY_PASS as error:
                if number == _TRIES - 1:
                    return error
                _log.warning("telemetry_waits", runs=len(batch), error=repr(error)[:200], again_in_s=pause_s)
            else:
                return None
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
        return None

    def _drop(self, runs: int, why: Exception) -> None:
        self.dropped += runs
        if runs:
            _log.warning("telemetry_dropped", runs=runs, dropped_in_all=self.dropped, error=repr(why)[:200])

    async def _send(self, batch: Sequence[UUID]) -> None:
        target = self._target
        if target is None:
            return
        # A platform that tells nobody has none of it in memory.
        from agent_runtime_service.telemetry.spans import export_request  # noqa: PLC0415

        told = await self._told(batch, with_prompts=target.with_content)
        if not told:
            return
        # Of a hundred runs with all that was said: no message waits for that.
        body = await asyncio.to_thread(export_request, told, target.service, with_content=target.with_content)
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S), cookie_jar=aiohttp.DummyCookieJar()
            )
        headers = {"Content-Type": "application/x-protobuf", **target.headers}
        async with self._session.post(target.url, data=body, headers=headers, allow_redirects=False) as answer:
            await answer.read()
            if answer.status in _TRIED_AGAIN:
                raise _NotNow(f"status {answer.status}")  # aiohttp's own would quote the headers, keys among them
            if answer.status >= 300:
                raise _NotTaken(f"status {answer.status}")
        self.sent += len(told)

    async def _told(self, batch: Sequence[UUID], *, with_prompts: bool) -> list[Told]:
        runs = await self._repository.runs(batch)
        prompts = await self._repository.prompts(batch) if with_prompts else {}
        roots = await self._repository.roots([run.id for run in runs if run.asked_by_run is not None])
        told: list[Told] = []
        for records in (await self._repository.with_calls(runs, with_steps=with_prompts)).values():
            root, traceparent = roots.get(records.run.id, (records.run.id, records.run.traceparent))
            told.append(Told(records, root, traceparent, prompts))
        return told
