"""What transports and the SDK fail with, in words that a person and a model can use."""

import httpx
from pydantic import ValidationError

_NOBODY_LISTENS = "All connection attempts failed"


def sentence_of(error: BaseException) -> str:
    """What happened, in one line."""
    if isinstance(error, httpx.HTTPStatusError):
        return f"it answered {error.response.status_code}"
    if isinstance(error, ValidationError):
        return "it is no message of MCP"
    if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
        return "no connection came about in time"
    if isinstance(error, httpx.ConnectError) and str(error) == _NOBODY_LISTENS:
        return "nothing answers at its address"
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]
