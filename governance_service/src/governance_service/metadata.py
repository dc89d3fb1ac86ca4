"""The schema `governance`: what all models of this service hang on."""

from sqlalchemy.orm import DeclarativeBase

from kgents_shared.db import schema_metadata
from kgents_shared.events import outbox_table

SCHEMA = "governance"
METADATA = schema_metadata(SCHEMA)


class Base(DeclarativeBase):
    """The base of this service's models."""

    metadata = METADATA


OUTBOX = outbox_table(METADATA)
