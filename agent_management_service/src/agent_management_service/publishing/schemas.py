"""Bodies of the publishing API."""

from typing import Annotated

from pydantic import Field

from kgents_shared.contracts.model import Contract

MAX_VERSION = 2**31 - 1


class NoOptions(Contract):
    """A body without fields: `{}`, or none at all."""


class Rollback(Contract):
    """Which version to publish again."""

    version: Annotated[int, Field(ge=1, le=MAX_VERSION, strict=True)]
