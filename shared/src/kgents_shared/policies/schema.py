"""What policies can speak of, as text."""

from functools import cache
from importlib import resources


@cache
def schema_text() -> str:
    """The schema, in Cedar's own language for schemas."""
    return resources.files(__package__ or "").joinpath("schema.cedarschema").read_text("utf-8")
