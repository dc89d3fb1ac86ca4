"""Model calls, written to the database in batches: no message waits for its bookkeeping."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import psycopg
import structlog
from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb
from psycopg_pool import PoolTimeout

from agent_runtime_service.budgets.allotment_rows import Settlement
from agent_runtime_service.budgets.purses import Purse, Purses
from agent_runtime_service.prices.money import in_currency
from agent_runtime_service.traces.prompts import PromptMemory, prompt_bytes
from kgents_shared.db import HotPool, new_id

_log = structlog.get_logger("kgents.runtime.ledger")
_EVERY_S: Final = 0.5
_WRITE_OFF_EVERY_S: Final = 5.0
_MOST_KEPT: Final = 50_000
_MOST_PROMPTS: Final = 5_000
# What a column holds; providers of credentials tell whatever they like.
_MOST_TOKENS: Final = 2**31 - 1
_COPY = (
    "COPY runtime.model_calls (id, run_id, owner_id, agent_id, agent_owner_id, agent_name, purpose, provider, model, "
    "prompt_tokens, completion_tokens, estimated, cached_tokens, cost, from_cache, timings, tries, duration_ms, error, "
    "created_at, step, epoch, first_ms, prompt, prompt_of, prompt_head, prompt_tail) FROM STDIN"
)
_NO_PROMPT: Final = (None,) * 4  # the last columns
# What is deleted stays deleted: a call is written down half a second after its run's end.
_STANDING = "SELECT id FROM runtime.conversations WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE"


@dataclass(frozen=True, slots=True)
class Booking:
    """Whose model call it is, and of which model: a run's of an agent, or one for a `purpose` beside all runs."""

    owner_id: str
    provider: str
    model: str
    run_id: UUID | None = None
    agent_id: UUID | None = None
    agent_owner_id: str | None = None
    agent_name: str | None = None
    purpose: str | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """What a call cost (parts of money; None where its price is not known), and how that came.

    `timings` are a local model's own: milliseconds by name.
    """

    cost: int | None = None
    cached_tokens: int = 0
    from_cache: bool = False
    timings: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class CallTrace:
    """Where in its run a call stood: after how many stored steps, under which epoch; when its answer began; and what
    was sent."""

    conversation_id: UUID
    step: int
    epoch: int
    first_s: float | None = None
    sent: dict[str, Any] | None = None


NOTHING: Final = Spent()


@dataclass(frozen=True, slots=True)
class _Batch:
    """What is written in one transaction: all of it, or nothing. Of each row the conversation that its prompt is of."""

    rows: Sequence[tuple[tuple[object, ...], UUID | None]]
    settlements: Sequence[tuple[Purse, Settlement]]


class ModelCallLedger:
    """Collects rows; `run` writes them until it is cancelled, and keeps them while the database is away.

    What calls took of budgets is settled in the transaction that writes the calls down.
    """

    def __init__(self, pool: HotPool, purses: Purses | None = None, prompts: PromptMemory | None = None) -> None:
        self._pool = pool
        self._purses = purses
        self._rows: list[tuple[tuple[object, ...], CallTrace | None]] = []
        self._prompts = prompts
        self._unwritten: _Batch | None = None

    def add(
        self,
        booking: Booking,
        tokens: tuple[int, int, bool],
        *,
        tries: int,
        duration_s: float,
        error: str | None,
        spent: Spent = NOTHING,
        trace: CallTrace | None = None,
    ) -> None:
        """Note one model call. What was sent is let go where too many wait to be written."""
        if len(self._rows) >= _MOST_KEPT:
            return
        whose = (
            booking.run_id, booking.owner_id, booking.agent_id, booking.agent_owner_id, booking.agent_name,
            booking.purpose, booking.provider, booking.model,
        )  # fmt: skip
        cost = None if spent.cost is None else in_currency(spent.cost)
        timings = None if spent.timings is None else Jsonb(dict(spent.timings))
        how = (min(spent.cached_tokens, _MOST_TOKENS), cost, spent.from_cache, timings)
        told = (min(tokens[0], _MOST_TOKENS), min(tokens[1], _MOST_TOKENS), tokens[2])
        row = (new_id(), *whose, *told, *how, tries, round(duration_s * 1000), error, datetime.now(UTC))
        if trace is not None and len(self._rows) >= _MOST_PROMPTS:
            trace = replace(trace, sent=None)
        self._rows.append((row, trace))

    async def run(self) -> None:
        """Write what was collected, twice a second; now and then count what fronts held that died."""
        looked_at = 0.0
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                await self.flush()
                if self._purses is not None and time.monotonic() - looked_at > _WRITE_OFF_EVERY_S:
                    looked_at = time.monotonic()
                    await self._purses.write_off()
            except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
                _log.warning("model_calls_wait", rows=len(self._rows), error=repr(error))

    async def close(self) -> None:
        """Write what is left and give back what is held of budgets, if the database lets us."""
        try:
            await self.flush(everything=True)
        except (psycopg.Error, PoolTimeout) as error:
            _log.warning("model_calls_lost", rows=len(self._rows), error=repr(error))

    async def flush(self, *, everything: bool = False) -> None:
        """Write now. A batch that may have been written although its answer was lost is tried again as it was."""
        if self._unwritten is not None:
            await self._write(self._unwritten)
        settlements = [] if self._purses is None else self._purses.prepare(everything=everything)
        if not self._rows and not settlements:
            return
        rows, self._rows = self._rows, []
        traced = [((*row, *self._traced(row[0], trace)), trace) for row, trace in rows]
        await self._write(_Batch([(row, _prompt_is_of(row, trace)) for row, trace in traced], settlements))

    def _traced(self, call_id: object, trace: CallTrace | None) -> tuple[object, ...]:
        """What a trace shows of a call; without a memory of prompts those aren't kept."""
        if trace is None:
            return (None,) * 7
        first_ms = None if trace.first_s is None else round(trace.first_s * 1000)
        where = (trace.step, trace.epoch, first_ms)
        if self._prompts is None or trace.sent is None or not isinstance(call_id, UUID):
            return (*where, *_NO_PROMPT)
        kept = self._prompts.keep(trace.conversation_id, call_id, prompt_bytes(trace.sent))
        if kept is None:
            return (*where, *_NO_PROMPT)
        return (*where, kept.middle, kept.of, kept.head, kept.tail)

    async def _write(self, batch: _Batch) -> None:
        self._unwritten = batch
        found: Sequence[bool | None] = [False] * len(batch.settlements)
        try:
            async with self._pool.connection() as connection, connection.transaction():
                if batch.rows:
                    await _copy(connection, batch.rows)
                if self._purses is not None and batch.settlements:
                    found = await self._purses.store(connection, batch.settlements)
        except UniqueViolation:
            # It was written the first time: the whole of it, since it was one transaction.
            _log.info("model_calls_were_written", rows=len(batch.rows))
        self._unwritten = None
        if self._purses is not None:
            self._purses.stored(batch.settlements, found)


async def _copy(
    connection: psycopg.AsyncConnection[Any], rows: Sequence[tuple[tuple[object, ...], UUID | None]]
) -> None:
    prompted = sorted({conversation_id for _, conversation_id in rows if conversation_id is not None})
    standing: set[UUID] = set()
    if prompted:
        standing = {row[0] for row in await (await connection.execute(_STANDING, (prompted,))).fetchall()}
    async with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for row, conversation_id in rows:
            is_kept = conversation_id is None or conversation_id in standing
            await copy.write_row(row if is_kept else (*row[: -len(_NO_PROMPT)], *_NO_PROMPT))


def _prompt_is_of(row: tuple[object, ...], trace: CallTrace | None) -> UUID | None:
    return None if trace is None or row[-len(_NO_PROMPT)] is None else trace.conversation_id
