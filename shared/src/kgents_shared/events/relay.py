"""From the outbox to JetStream: one relay per outbox, each event deleted after its ack."""

import asyncio
from typing import Any

import psycopg
import structlog
from nats.errors import MaxPayloadError
from nats.js import JetStreamContext
from psycopg import AsyncConnection, sql

from kgents_shared.events.bus import STREAM, EventBus

_log = structlog.get_logger("kgents.events.relay")
_BATCH = 256
_POLL_S = 0.5
_PUBLISH_TIMEOUT_S = 5


class OutboxRelay:
    """Publishes what stands in a schema's outbox, oldest first, with the event's id as `Nats-Msg-Id`.

    A Postgres advisory lock lets one relay of all replicas work. `wake` after a commit saves the wait for the poll.
    """

    def __init__(self, database_url: str, schema: str, bus: EventBus) -> None:
        self._database_url = database_url
        self._schema = schema
        self._bus = bus
        self._wake = asyncio.Event()
        table = sql.Identifier(schema, "outbox")
        self._select = sql.SQL("SELECT id, subject, body::text FROM {} ORDER BY id LIMIT %s").format(table)
        self._delete = sql.SQL("DELETE FROM {} WHERE id = ANY(%s)").format(table)

    def wake(self) -> None:
        """Say that something was committed to the outbox."""
        self._wake.set()

    async def run(self) -> None:
        """Relay until cancelled; raises where the database or NATS is away, to be run again."""
        jetstream = await self._bus.jetstream()
        try:
            connection = await psycopg.AsyncConnection.connect(
                self._database_url, autocommit=True, connect_timeout=5, application_name="kgents outbox relay"
            )
            async with connection:
                await self._wait_for_lock(connection)
                while True:
                    self._wake.clear()
                    if await self._relay_batch(connection, jetstream) < _BATCH:
                        await self._wait_for_work()
        except Exception:
            self._bus.stream_lost()
            raise

    async def _wait_for_lock(self, connection: AsyncConnection[Any]) -> None:
        key = f"kgents.outbox.{self._schema}"
        while True:
            cursor = await connection.execute("SELECT pg_try_advisory_lock(hashtext(%s))", (key,))
            row = await cursor.fetchone()
            if row is not None and row[0]:
                return
            await asyncio.sleep(_POLL_S)

    async def _wait_for_work(self) -> None:
        # Not asyncio.wait_for: on Python 3.11 it loses a cancellation that comes together with the wake-up.
        try:
            async with asyncio.timeout(_POLL_S):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _relay_batch(self, connection: AsyncConnection[Any], jetstream: JetStreamContext) -> int:
        cursor = await connection.execute(self._select, (_BATCH,))
        rows = await cursor.fetchall()
        if not rows:
            return 0
        async with asyncio.TaskGroup() as group:
            for event_id, subject, body in rows:
                group.create_task(_publish(jetstream, str(event_id), subject, body))
        await connection.execute(self._delete, ([row[0] for row in rows],))
        return len(rows)


async def _publish(jetstream: JetStreamContext, event_id: str, subject: str, body: str) -> None:
    headers = {"Nats-Msg-Id": event_id}
    try:
        await jetstream.publish(
            subject, body.encode(), timeout=_PUBLISH_TIMEOUT_S, stream=STREAM, headers=dict(headers)
        )
    except MaxPayloadError:
        # It can never be sent, and must not keep back what comes after it: its consumers heal by resync.
        _log.error("event_too_large", subject=subject, event_id=event_id, size=len(body.encode()))
        headers |= {"Kgents-Error": "MaxPayloadError", "Kgents-Subject": subject}
        await jetstream.publish(
            "kgents.dead.outbox", event_id.encode(), timeout=_PUBLISH_TIMEOUT_S, stream=STREAM, headers=headers
        )
