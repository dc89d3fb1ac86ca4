"""What a model server speaks: how requests are read and answers are written on one provider's wire."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

from kgents_shared.testing.model_answers import Reply, StatusFault
from kgents_shared.testing.model_requests import JsonObject, ModelRequest, fault_of
from kgents_shared.testing.model_wire import DONE, completion, error_object, models_list, sse_chunks


class Dialect(Protocol):
    """One wire. Requests are brought into the shape of OpenAI's, so that every script reads them alike."""

    base_path: str
    list_path: str
    stream_type: str

    def takes(self, path: str) -> bool:
        """Whether a POST to this path asks for an answer."""
        ...

    def key_of(self, request: ModelRequest) -> str | None:
        """The key that it shows."""
        ...

    def read(self, request: ModelRequest) -> ModelRequest:
        """The same request with its body as OpenAI's wire has it; `raw` is as it came."""
        ...

    def fault(self, request: ModelRequest) -> str | None:
        """What the provider would refuse with 400 in what `read` gave, or None."""
        ...

    def whole(self, request: ModelRequest, reply: Reply, number: int) -> JsonObject:
        """An answer that isn't streamed."""
        ...

    def chunks(self, request: ModelRequest, reply: Reply, number: int) -> Iterator[bytes]:
        """A streamed answer, piece by piece, to its end."""
        ...

    def error(self, fault: StatusFault) -> JsonObject:
        """The body of an error."""
        ...

    def models(self, models: list[str]) -> JsonObject:
        """The list of models."""
        ...


class OpenAiDialect:
    """OpenAI's chat completions, below `base_path`."""

    stream_type = "text/event-stream"

    def __init__(self, base_path: str = "/v1") -> None:
        self.base_path = base_path
        self.list_path = f"{base_path}/models"

    def takes(self, path: str) -> bool:
        """See `Dialect.takes`."""
        return path == f"{self.base_path}/chat/completions"

    def key_of(self, request: ModelRequest) -> str | None:
        """The bearer."""
        return bearer(request)

    def read(self, request: ModelRequest) -> ModelRequest:
        """As it came."""
        return request

    def fault(self, request: ModelRequest) -> str | None:
        """See `fault_of`."""
        return fault_of(request)

    def whole(self, request: ModelRequest, reply: Reply, number: int) -> JsonObject:
        """`chat.completion`."""
        return completion(request, reply, number)

    def chunks(self, request: ModelRequest, reply: Reply, number: int) -> Iterator[bytes]:
        """`chat.completion.chunk`s and [DONE]."""
        yield from sse_chunks(request, reply, number)
        yield DONE

    def error(self, fault: StatusFault) -> JsonObject:
        """`{"error": {…}}`."""
        return error_object(fault)

    def models(self, models: list[str]) -> JsonObject:
        """`{"object": "list", "data": […]}`."""
        return models_list(models)


def bearer(request: ModelRequest) -> str | None:
    """The token of the Authorization header."""
    return (request.authorization or "").removeprefix("Bearer ") or None


def in_openais_shape(
    request: ModelRequest, messages: list[JsonObject], tools: list[JsonObject], *, model: str, stream: bool
) -> ModelRequest:
    """The request as scripts read it. `tools` are functions: name, description, parameters."""
    body: JsonObject = {
        "model": model,
        "messages": list(messages),
        "tools": [{"type": "function", "function": tool} for tool in tools],
        "stream": stream,
    }
    return replace(request, body=body)


def call_in_openais_shape(call_id: str, name: str, arguments: object) -> JsonObject:
    """One of an assistant message's `tool_calls`."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}


def sse(document: JsonObject, event: str | None = None) -> bytes:
    """One server-sent event."""
    head = b"" if event is None else b"event: " + event.encode() + b"\n"
    return head + b"data: " + json.dumps(document, separators=(",", ":")).encode() + b"\n\n"
