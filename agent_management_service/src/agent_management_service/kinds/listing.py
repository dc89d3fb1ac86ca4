"""How a list of a kind is filtered."""

from collections.abc import Mapping
from dataclasses import dataclass

from agent_management_service.listing import Listing


@dataclass(frozen=True, slots=True)
class KindFilter(Listing):
    """What was asked for; `having` are a kind's own fields with the values that they must have."""

    having: Mapping[str, object]
