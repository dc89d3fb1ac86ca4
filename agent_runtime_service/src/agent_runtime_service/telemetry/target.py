"""Where runs are told."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TelemetryTarget:
    """Where spans go: the whole address, what is sent with them, the service's name, and whether what was said is."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    service: str
    with_content: bool
