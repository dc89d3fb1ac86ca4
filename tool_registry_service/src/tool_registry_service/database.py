"""The base of this service's tables, all in the schema `tools`."""

from sqlalchemy.orm import DeclarativeBase

from kgents_shared.db import schema_metadata
from kgents_shared.events import outbox_table


class Base(DeclarativeBase):
    """A table of the schema `tools`."""

    metadata = schema_metadata("tools")


# Filled by triggers: whatever changes a tool or a permission is told, see the migration 0005.
OUTBOX = outbox_table(Base.metadata)
