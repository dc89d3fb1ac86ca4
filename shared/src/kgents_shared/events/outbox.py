"""The outbox: an event is written in the transaction of the change that it tells of (CONVENTIONS, habit 7)."""

from datetime import UTC, datetime

from pydantic import BaseModel
from sqlalchemy import Column, DateTime, MetaData, Table, Text, Uuid, func, insert
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from kgents_shared.contracts.events import CloudEvent
from kgents_shared.db.ids import new_id

# For hot paths on plain psycopg: (id, subject, body as JSON text), in the schema that is put in.
OUTBOX_INSERT = "INSERT INTO {schema}.outbox (id, subject, body) VALUES (%s, %s, %s::jsonb)"


def outbox_table(metadata: MetaData) -> Table:
    """The `outbox` table of a service's schema."""
    return Table(
        "outbox",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("subject", Text, nullable=False),
        Column("body", JSONB, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    )


def subject_of(schema: str, event_type: str) -> str:
    """The NATS subject of an event type, e.g. `kgents.agents.agent.published`."""
    return f"kgents.{schema}.{event_type}"


def make_event(schema: str, event_type: str, subject: str, data: BaseModel) -> CloudEvent:
    """An event of this moment; `subject` is the id of the thing that changed."""
    return CloudEvent(
        id=new_id(),
        source=f"/kgents/{schema}",
        type=event_type,
        subject=subject,
        time=datetime.now(UTC),
        data=data.model_dump(mode="json"),
    )


async def add_to_outbox(session: AsyncSession, outbox: Table, event: CloudEvent) -> None:
    """Write `event` on the session's own transaction."""
    schema = str(outbox.schema)
    row = {"id": event.id, "subject": subject_of(schema, event.type), "body": event.model_dump(mode="json")}
    await session.execute(insert(outbox).values(row))
