"""The schema `runtime`. Its models are for migrations; the queries are plain SQL (DESIGN §11)."""

from sqlalchemy.orm import DeclarativeBase

from kgents_shared.db import schema_metadata
from kgents_shared.events import outbox_table

SCHEMA = "runtime"
METADATA = schema_metadata(SCHEMA)


class Base(DeclarativeBase):
    """The base of this service's models."""

    metadata = METADATA


OUTBOX = outbox_table(METADATA)
