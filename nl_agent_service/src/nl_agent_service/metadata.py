"""The schema `nl`: what all models of this service hang on."""

from sqlalchemy.orm import DeclarativeBase

from kgents_shared.db import schema_metadata

SCHEMA = "nl"
METADATA = schema_metadata(SCHEMA)


class Base(DeclarativeBase):
    """The base of this service's models."""

    metadata = METADATA
