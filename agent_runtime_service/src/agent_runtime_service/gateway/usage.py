"""Counting tokens from what passes, without decoding it all: the last lines tell, else an estimate."""

import json
from typing import Any, cast

import orjson

_TAIL_BYTES = 8192
_CHARS_PER_TOKEN = 4
_DECODER = json.JSONDecoder()
_EVENT_BYTES = 256  # about what an event of OpenAI's wire weighs without its text


class UsageMeter:
    """Sees every piece of an answer; `tokens` at the end."""

    def __init__(self, request_bytes: int) -> None:
        self._request_bytes = request_bytes
        self._tail = b""
        self._size = 0
        self._events = 0

    @property
    def size(self) -> int:
        """Bytes seen."""
        return self._size

    def see(self, data: bytes) -> None:
        """Count the next piece."""
        self._size += len(data)
        self._events += data.count(b"data:")
        self._tail = data[-_TAIL_BYTES:] if len(data) >= _TAIL_BYTES else (self._tail + data)[-_TAIL_BYTES:]

    def tokens(self) -> tuple[int, int, bool]:
        """Prompt tokens, completion tokens, and whether they are estimated."""
        usage = self._told()
        if usage is not None:
            return *usage, False
        text_bytes = max(0, self._size - self._events * _EVENT_BYTES)
        spoken = max(self._events - 2, text_bytes // _CHARS_PER_TOKEN, 0)
        return self._request_bytes // _CHARS_PER_TOKEN, spoken, True

    def _told(self) -> tuple[int, int] | None:
        for line in reversed(self._tail.split(b"\n")):
            if b'"usage"' not in line:
                continue
            try:
                document = orjson.loads(line.removeprefix(b"data:"))
            except orjson.JSONDecodeError:
                continue
            usage = cast("dict[str, Any]", document).get("usage") if isinstance(document, dict) else None
            if isinstance(usage, dict):
                return _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
        return self._told_at_the_end()

    def _told_at_the_end(self) -> tuple[int, int] | None:
        """The usage of an answer that isn't streamed, of which only the end is here: in texts, its quotes would have
        backslashes."""
        _, named, rest = self._tail.rpartition(b'"usage"')
        text = rest.decode("utf-8", "replace").lstrip()
        if not named or not text.startswith(":"):
            return None
        try:
            usage, _ = _DECODER.raw_decode(text[1:].lstrip())
        except (ValueError, RecursionError):
            return None
        if not isinstance(usage, dict):
            return None
        told = cast("dict[Any, Any]", usage)
        return _count(told, "prompt_tokens"), _count(told, "completion_tokens")


def _count(usage: dict[Any, Any], name: str) -> int:
    value = usage.get(name)
    return value if isinstance(value, int) and 0 <= value < 2**31 else 0
