"""What a model provider is to the gateway."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

EVENT_STREAM = "text/event-stream"
JSON = "application/json"
MAX_ANSWER_BYTES = 16 * 1024 * 1024
# The provider's fault is told a little before the run's own deadline, which would only say that time is over.
_MARGIN_S = 0.5
_LEAST_S = 0.2
_MOST_S = 3600.0


@dataclass(slots=True)
class ProviderAnswer:
    """An answer that has begun well: its content type and its bytes as they come.

    Iterating raises `ApiError` where the rest does not come. `tries` counts the requests that it took.
    """

    content_type: str
    chunks: AsyncIterator[bytes]
    tries: int = 1


class Provider(Protocol):
    """Speaks OpenAI's chat-completions wire; what else one speaks, `HttpProvider.answer` does."""

    name: str

    def complete(self, request: dict[str, Any], time_left_s: float) -> AbstractAsyncContextManager[ProviderAnswer]:
        """Send a checked request; raises `ApiError` (see `faults`) before the first byte."""
        ...


def patience_s(run_left_s: float) -> float:
    """How long a provider is waited for in a run that has so many seconds left."""
    return min(max(_LEAST_S, run_left_s - _MARGIN_S), _MOST_S)
