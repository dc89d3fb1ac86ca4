"""The images of a request to a model, where each provider's wire has them."""

from collections.abc import Iterator
from typing import Any, cast

import orjson

from agent_runtime_service.gateway.wires.wire import dig


def images_in(request: bytes) -> Iterator[str]:
    """The data of each, as it stands there."""
    try:
        document = orjson.loads(request)
    except orjson.JSONDecodeError:
        return
    for name in ("messages", "contents"):
        for message in _rows(dig(document, name)):
            yield from (image for image in _rows(dig(message, "images")) if isinstance(image, str))
            for part in (*_rows(dig(message, "content")), *_rows(dig(message, "parts"))):
                yield from _of_part(part)
                # What a tool gave, on Anthropic's wire.
                for inner in _rows(dig(part, "content")):
                    yield from _of_part(inner)


def _of_part(part: Any) -> Iterator[str]:
    ways = (("image_url", "url"), ("source", "data"), ("inlineData", "data"), ("inline_data", "data"))
    found = next((data for way in ways if isinstance(data := dig(part, *way), str)), None)
    if found is not None:
        yield found


def _rows(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []
