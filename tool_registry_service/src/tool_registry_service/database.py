"""The base of this service's tables, all in the schema `tools`."""

from sqlalchemy.orm import DeclarativeBase

from kgents_shared.db import schema_metadata


class Base(DeclarativeBase):
    """A table of the schema `tools`."""

    metadata = schema_metadata("tools")
