"""What a wire is to the gateway, and what the native ones have in common."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

import orjson

from agent_runtime_service.gateway import faults
from kgents_shared.contracts.worker import ModelChoice
from kgents_shared.errors import ApiError, InvalidInput

IMAGE_TYPES: Final = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
"""What a model may be shown; always as data, since whatever has an address is fetched by the provider."""
_CHARS_PER_TOKEN: Final = 4
_MOST_TOKENS: Final = 2**31


@dataclass(frozen=True, slots=True)
class WireCall:
    """A checked request: `path` below the account's address, quoted already, and the body to send."""

    path: str
    body: dict[str, Any]


class Meter(Protocol):
    """Sees every piece of an answer as it passes."""

    @property
    def size(self) -> int:
        """Bytes seen."""
        ...

    @property
    def cached_tokens(self) -> int:
        """How many of the prompt's tokens the provider had in its cache; 0 where it doesn't say."""
        ...

    def see(self, data: bytes) -> None:
        """Take the next piece. Raises `ApiError` for an error or garbage in it, which is then not passed on."""
        ...

    def end(self) -> None:
        """The provider has closed its answer: raises `ApiError` where that isn't the answer's end."""
        ...

    def tokens(self) -> tuple[int, int, bool]:
        """Prompt tokens, completion tokens, and whether they are estimated."""
        ...


class Wire(Protocol):
    """One provider's own wire. Answers are streams, of the content type `stream_type`."""

    name: str
    stream_type: str
    list_path: str

    def takes(self, path: str) -> bool:
        """Whether a worker may ask for this path."""
        ...

    def call(self, raw: bytes, choice: ModelChoice) -> WireCall:
        """The request with the model and the limits of the run's version. Raises `InvalidInput`."""
        ...

    def headers(self, api_key: str | None) -> dict[str, str]:
        """How the key is shown."""
        ...

    def meter(self, request_bytes: int) -> Meter:
        """What counts one answer."""
        ...

    def said(self, document: Any) -> str | None:
        """The provider's own sentence in the body of an error."""
        ...

    def is_refusal(self, status: int, document: Any) -> bool:
        """Whether an error means that the key isn't taken."""
        ...

    def retry_after_s(self, document: Any) -> float | None:
        """When to try again, where the body of an error says so rather than a header."""
        ...


def parsed(raw: bytes, what: str) -> dict[str, Any]:
    """A request's body. Raises `InvalidInput`."""
    try:
        given = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise refused(what) from error
    return table(given, what)


def refused(what: str) -> InvalidInput:
    """The request is not one that passes."""
    return InvalidInput(f"This is not {what} request of text, images and functions.", code="bad_model_request")


def table(value: Any, what: str) -> dict[str, Any]:
    """A JSON object. Raises `InvalidInput`."""
    if not isinstance(value, dict):
        raise refused(what)
    return cast("dict[str, Any]", value)


def rows(value: Any, what: str) -> list[dict[str, Any]]:
    """A JSON array of objects, nothing where there is none. Raises `InvalidInput`."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise refused(what)
    return [table(item, what) for item in cast("list[Any]", value)]


def only(fields: Mapping[str, Any], passed: frozenset[str]) -> dict[str, Any]:
    """The fields that pass."""
    return {name: value for name, value in fields.items() if name in passed}


def count(usage: Mapping[str, Any], name: str) -> int:
    """A number of tokens that a provider tells; 0 for what is none."""
    value = usage.get(name)
    return value if isinstance(value, int) and 0 <= value < _MOST_TOKENS else 0


def dig(document: Any, *path: str | int) -> Any:
    """What stands at a path of a document that may have another shape; None where nothing does."""
    for part in path:
        try:
            document = document[part]
        except (KeyError, IndexError, TypeError):
            return None
    return document


class StreamMeter:
    """Reads a stream line by line: server-sent events, or JSON lines where `prefix` is empty."""

    def __init__(
        self, provider: str, request_bytes: int, prefix: bytes, read: Callable[[dict[str, Any]], None]
    ) -> None:
        self.prompt: int | None = None
        self.completion: int | None = None
        self.cached_tokens = 0
        self.whole = False
        self.text_chars = 0
        self._provider = provider
        self._request_bytes = request_bytes
        self._prefix = prefix
        self._read = read
        self._rest = b""
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes seen."""
        return self._size

    def see(self, data: bytes) -> None:
        """See `Meter.see`."""
        self._size += len(data)
        if b"\n" not in data:
            self._rest += data
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(line)

    def end(self) -> None:
        """See `Meter.end`."""
        rest, self._rest = self._rest, b""
        self._line(rest)
        if not self.whole:
            raise faults.cut(self._provider)

    def tokens(self) -> tuple[int, int, bool]:
        """What was told; what wasn't is estimated from the sizes."""
        if self.prompt is not None and self.completion is not None:
            return self.prompt, self.completion, False
        prompt = self._request_bytes // _CHARS_PER_TOKEN if self.prompt is None else self.prompt
        return prompt, self.text_chars // _CHARS_PER_TOKEN, True

    def _line(self, line: bytes) -> None:
        if not line.startswith(self._prefix):
            return
        data = line[len(self._prefix) :].strip()
        if not data:
            return
        try:
            document = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise self.garbage() from error
        if not isinstance(document, dict):
            raise self.garbage()
        try:
            self._read(cast("dict[str, Any]", document))
        except (AttributeError, KeyError, IndexError, TypeError) as error:
            raise self.garbage() from error

    def garbage(self) -> ApiError:
        """What passes is none of this wire."""
        return faults.garbage(self._provider, "something unreadable")
