"""What a run's spans are made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from agent_runtime_service.traces.records import RunRecords


@dataclass(frozen=True, slots=True)
class Told:
    """A run with what its spans are made of: the first one of all that led to it, and its prompts by call.

    `root` decides the trace; `prompts` are there only where what was said is told.
    """

    records: RunRecords
    root: UUID
    traceparent: str | None
    prompts: Mapping[UUID, bytes]
