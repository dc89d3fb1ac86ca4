"""What of a worker's model request is let through."""

import re
from typing import Any, cast

import orjson

from kgents_shared.contracts.worker import ModelChoice
from kgents_shared.errors import InvalidInput

# Anything else is dropped: `n` multiplies the cost, `store` and `metadata` keep data at the provider, and so on.
_PASSED = frozenset(
    {"messages", "tools", "tool_choice", "parallel_tool_calls", "response_format", "stop", "top_p", "seed"}
)
_IMAGE = re.compile(r"data:image/(?:png|jpeg|webp|gif);base64,[A-Za-z0-9+/]")
_PASSED_OF_MESSAGE = frozenset({"role", "content", "name", "tool_calls", "tool_call_id"})


def checked_request(raw: bytes, choice: ModelChoice) -> dict[str, Any]:
    """The request with the model and the limits of the run's version, whatever the worker wrote there.

    Text, images as data and functions pass, nothing else: an image's address is fetched by the provider, who would be
    the agent's way into the network; a file's id may be another agent's, since the account is the platform's; and some
    servers have tools of their own that search the web.
    """
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
    request["messages"] = [_checked_message(message) for message in fields["messages"]]
    if not _are_functions(fields.get("tools", [])):
        raise _bad()
    request["model"] = choice.model
    if choice.temperature is not None:
        request["temperature"] = choice.temperature
    if choice.max_tokens is not None:
        request["max_tokens"] = choice.max_tokens
    if fields.get("stream") is True:
        request["stream"] = True
        request["stream_options"] = {"include_usage": True}
    return request


def _checked_message(message: Any) -> dict[str, Any]:
    if not isinstance(message, dict):
        raise _bad()
    fields = cast("dict[str, Any]", message)
    if not _is_content(fields.get("content")):
        raise _bad()
    return {name: value for name, value in fields.items() if name in _PASSED_OF_MESSAGE}


def _is_content(content: Any) -> bool:
    if isinstance(content, list):
        return all(_has_type(part, "text") or _is_image(part) for part in cast("list[Any]", content))
    return content is None or isinstance(content, str)


def _is_image(part: Any) -> bool:
    if not _has_type(part, "image_url"):
        return False
    image = part.get("image_url")
    url = cast("dict[str, Any]", image).get("url") if isinstance(image, dict) else None
    return isinstance(url, str) and _IMAGE.match(url) is not None


def _are_functions(tools: Any) -> bool:
    return isinstance(tools, list) and all(_has_type(tool, "function") for tool in cast("list[Any]", tools))


def _has_type(part: Any, wanted: str) -> bool:
    return isinstance(part, dict) and cast("dict[str, Any]", part).get("type") == wanted


def _bad() -> InvalidInput:
    return InvalidInput("This is not a chat completion request of text and functions.", code="bad_model_request")
