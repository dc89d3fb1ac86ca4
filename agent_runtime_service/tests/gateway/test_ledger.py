"""Model calls as they are written down: for everybody, and nothing of what was deleted."""

from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID, uuid4

import pytest

from agent_runtime_service.execution.statements import SPENT
from agent_runtime_service.gateway.ledger import Booking, CallTrace, ModelCallLedger
from agent_runtime_service.gateway.wires.google import GoogleWire
from agent_runtime_service.traces.prompts import PromptMemory
from kgents_shared.db import HotPool, open_pool


@pytest.fixture
async def pool(database_url: str) -> AsyncGenerator[HotPool]:
    async with open_pool(database_url, max_size=2) as opened:
        yield opened


async def _rows(pool: HotPool, statement: Any, values: Any) -> list[Any]:
    async with pool.connection() as connection:
        return await (await connection.execute(statement, values)).fetchall()


async def test_a_prompt_of_a_conversation_that_was_deleted_meanwhile_is_not_kept(pool: HotPool):
    kept, deleted, agent, owner = uuid4(), uuid4(), uuid4(), f"owner-{uuid4().hex}"
    await _rows(
        pool,
        "INSERT INTO runtime.conversations (id, owner_id, agent_id, agent_name) VALUES (%s, %s, %s, 'helper') "
        "RETURNING id",
        (kept, owner, agent),
    )
    ledger = ModelCallLedger(pool, None, PromptMemory())

    def call(conversation_id: UUID) -> None:
        booking = Booking(owner, "openai", "fake", run_id=uuid4(), agent_id=agent)
        trace = CallTrace(conversation_id, 1, 1, sent={"messages": [{"role": "user", "content": "canary"}]})
        ledger.add(booking, (1, 2, False), tries=1, duration_s=0, error=None, trace=trace)

    call(kept)
    call(deleted)
    await ledger.flush()
    call(kept)
    await ledger.flush()
    rows = await _rows(
        pool,
        "SELECT prompt IS NOT NULL, prompt_of IS NOT NULL FROM runtime.model_calls WHERE owner_id = %s ORDER BY id",
        (owner,),
    )
    assert [row[0] for row in rows] == [True, False, True]


async def test_what_a_provider_tells_beyond_all_measure_keeps_nobody_from_being_booked(pool: HotPool):
    meter = GoogleWire().meter(100)
    most = 2**31 - 1
    usage = b'{"promptTokenCount": %d, "toolUsePromptTokenCount": %d, "candidatesTokenCount": 1}' % (most, most)
    meter.see(b'data: {"candidates": [{"finishReason": "STOP"}], "usageMetadata": %b}\n\n' % usage)
    run_id, ledger = uuid4(), ModelCallLedger(pool)
    for tokens in (meter.tokens(), meter.tokens(), (5, 5, False)):
        booking = Booking("owner", "google", "fake", run_id=run_id)
        ledger.add(booking, tokens, tries=1, duration_s=0, error=None)
    await ledger.flush()
    # So does whoever takes over the run.
    assert (await _rows(pool, SPENT, {"run_id": run_id}))[0][:2] == (2 * most + 5, 7)
