"""The first part of a tool's name: a server's, an imported API's, or what single HTTP tools begin with."""

from typing import Annotated

from pydantic import AfterValidator, StringConstraints
from pydantic_core import PydanticCustomError

from kgents_shared.contracts.tools import RESERVED_FIRST_NAMES


def not_reserved(name: str) -> str:
    """Refuse a name that begins as builtin tools do."""
    first = name.partition(".")[0]
    if first in RESERVED_FIRST_NAMES:
        raise PydanticCustomError("name_reserved", "begins with {first}, as builtin tools do", {"first": first})
    return name


FirstName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", max_length=63),
    AfterValidator(not_reserved),
]
"""Of a server or an imported API."""
SingleToolName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[A-Za-z0-9_-]+)+$", max_length=128),
    AfterValidator(not_reserved),
]
"""Of a tool that belongs to no server and no API: with a dot in it."""
