"""What must hold afterwards, read from the database, the event stream and the far side, not from what clients think."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import nats
import psycopg

from kgents_shared.events import STREAM
from kgents_shared.http.service import installed_services
from kgents_shared.testing.polling import eventually
from platform_host.embedded.provision import DATABASE, url_with
from tests.chaos.clients import Errands, Talk
from tests.e2e.running_platform import RunningPlatform

# A run that was given to worker after worker may give up, and says so.
MAY_FAIL = {"worker_lost", "agent_unavailable", "deadline_exceeded"}


async def rows(platform: RunningPlatform, statement: str) -> list[tuple[Any, ...]]:
    """What the runtime's role reads."""
    role = installed_services()["runtime"].role
    secret = (platform.home / "secrets" / f"database-{role}.secret").read_text().strip()
    port = (platform.home / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[3]
    url = url_with(f"postgresql://127.0.0.1:{port}/", user=role, password=secret, database=DATABASE)
    async with await psycopg.AsyncConnection.connect(url) as connection:
        return await (await connection.execute(statement)).fetchall()  # pyright: ignore[reportCallIssue, reportArgumentType]


async def every_run_ends(platform: RunningPlatform) -> None:
    """Soon after the last fault nothing is open (GUARANTEES: resume < 30 s), and no end is a surprise."""

    async def nothing_is_open() -> bool:
        return await rows(platform, "SELECT id FROM runtime.runs WHERE ended_at IS NULL") == []

    await eventually(nothing_is_open, timeout=60, describe="every run has ended", retry_on=(psycopg.Error,))
    failed = await rows(platform, "SELECT error->>'code' FROM runtime.runs WHERE status = 'failed'")
    assert {code for (code,) in failed} <= MAY_FAIL, Counter(failed)


async def no_step_is_twice(platform: RunningPlatform) -> None:
    """A completed run has one question, one answer, a result for each call, and places without gaps."""
    broken = await rows(
        platform,
        """
        SELECT run.id, array_agg(step.kind ORDER BY step.seq)
        FROM runtime.runs AS run JOIN runtime.steps AS step ON step.run_id = run.id
        WHERE run.status = 'completed' GROUP BY run.id
        HAVING count(*) FILTER (WHERE step.kind = 'user') <> 1 OR count(*) FILTER (WHERE step.kind = 'final') <> 1
            OR count(*) FILTER (WHERE step.kind = 'tool') <> count(*) FILTER (WHERE step.kind = 'assistant')
        """,
    )
    assert broken == []
    gaps = await rows(
        platform, "SELECT conversation_id FROM runtime.steps GROUP BY 1 HAVING max(seq) <> count(*) OR min(seq) <> 1"
    )
    assert gaps == []


async def every_end_is_told_once(platform: RunningPlatform) -> None:
    """The set of ended runs is the set that the event stream tells of; an event told twice has one id."""

    async def nothing_waits() -> bool:
        return await rows(platform, "SELECT id FROM runtime.outbox") == []

    await eventually(nothing_waits, timeout=60, describe="the outbox is empty", retry_on=(psycopg.Error,))
    ended = await rows(platform, "SELECT id::text, status FROM runtime.runs")
    told: dict[str, tuple[str, str]] = {}
    for event in await _events(platform, "kgents.runtime.run.>"):
        told[event["id"]] = (event["data"]["run_id"], event["data"]["status"])
    assert Counter(told.values()) == Counter(ended)


async def _events(platform: RunningPlatform, subject: str) -> list[dict[str, Any]]:
    folder = platform.home / "nats"
    [listen] = [line for line in (folder / "nats.conf").read_text().splitlines() if line.startswith("listen:")]
    address = listen.partition(":")[2].strip().strip('"')
    connection = await nats.connect(f"nats://{address}", token=(folder / "token.secret").read_text().strip())
    try:
        context = connection.jetstream()
        last = (await context.stream_info(STREAM, subjects_filter=subject)).state
        found: list[dict[str, Any]] = []
        subscription = await context.pull_subscribe(subject, stream=STREAM)
        wanted = sum((last.subjects or {}).values())
        while len(found) < wanted:
            messages = await subscription.fetch(min(500, wanted - len(found)), timeout=10)
            for message in messages:
                await message.ack()  # of those that aren't, a consumer is given a thousand at most
                found.append(json.loads(message.data))
        return found
    finally:
        await connection.close()


async def each_effect_once(platform: RunningPlatform, errands: Errands, far_side: Path) -> None:
    """No call was made twice at the far side; one whose answer was kept was made, and one that is unknown is told."""
    lines = (far_side / "calls").read_text().splitlines() if (far_side / "calls").exists() else []
    made = Counter(json.loads(line[line.index("{") :])["mark"] for line in lines)
    assert [mark for mark, times in made.items() if times > 1] == []
    calls = await rows(
        platform, "SELECT call.run_id::text, call.state, call.result->>'text' FROM runtime.tool_calls AS call"
    )
    by_run = {run_id: (state, text) for run_id, state, text in calls}
    for mark, run_id in errands.begun.items():
        state, text = by_run.get(run_id, (None, None))
        if state == "completed" and "not known" not in (text or ""):
            assert made[mark] == 1, f"{mark}: {text}"


async def conversation_is_whole(client: httpx.AsyncClient, talk: Talk) -> None:
    """Every acknowledged message stands once, in order, followed by its reply; and the agent sees all."""
    listed = await client.get(f"/api/v1/conversations/{talk.conversation_id}/messages", params={"limit": "1000"})
    assert listed.status_code == 200, listed.text
    told = [(row["role"], row["text"]) for row in listed.json()["items"]]
    expected = [pair for user, reply in talk.acknowledged for pair in (("user", user), ("assistant", reply))]
    assert told == expected[: len(told)]
    assert len(told) == min(len(expected), 1000)
