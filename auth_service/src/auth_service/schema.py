"""The schema `identity`: the base of all models, and the outbox."""

from sqlalchemy.orm import DeclarativeBase

from kgents_shared.db import schema_metadata
from kgents_shared.events import outbox_table

SCHEMA = "identity"


class Base(DeclarativeBase):
    """Every table of this service."""

    metadata = schema_metadata(SCHEMA)


OUTBOX = outbox_table(Base.metadata)
