"""What of a worker's model request is let through."""

from typing import Any, cast

import orjson

from kgents_shared.contracts.worker import ModelChoice
from kgents_shared.errors import InvalidInput

# Anything else is dropped: `n` multiplies the cost, `store` and `metadata` keep data at the provider, and so on.
_PASSED = frozenset(
    {"messages", "tools", "tool_choice", "parallel_tool_calls", "response_format", "stop", "top_p", "seed"}
)


def checked_request(raw: bytes, choice: ModelChoice) -> dict[str, Any]:
    """The request with the model and the limits of the run's version, whatever the worker wrote there."""
    try:
        given = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise _bad() from error
    if not isinstance(given, dict):
        raise _bad()
    fields = cast("dict[str, Any]", given)
    if not isinstance(fields.get("messages"), list) or not fields["messages"]:
        raise _bad()
    request = {name: value for name, value in fields.items() if name in _PASSED}
    request["model"] = choice.model
    if choice.temperature is not None:
        request["temperature"] = choice.temperature
    if choice.max_tokens is not None:
        request["max_tokens"] = choice.max_tokens
    if fields.get("stream") is True:
        request["stream"] = True
        request["stream_options"] = {"include_usage": True}
    return request


def _bad() -> InvalidInput:
    return InvalidInput("This is not a chat completion request with messages.", code="bad_model_request")
