"""Counting tokens from what passes, without decoding it all: the last lines tell, else an estimate."""

import json
import re
from typing import Any, Final, cast

import orjson

from kgents_shared.contracts.worker import ModelChoice

_TAIL_BYTES = 8192
_CHARS_PER_TOKEN = 4
_DECODER = json.JSONDecoder()
_EVENT_BYTES = 256  # about what an event of OpenAI's wire weighs without its text

# Models that think before they say anything, and tell how much only at the end of their answer.
_THINK_UNSEEN: Final = re.compile(r"(?:[a-z-]+/)?(?:o[134]|gpt-5|gemini-(?:2\.5|[3-9]))(?:[-.:].*)?")
_THOUGHT_IN_A_SECOND: Final = 100


def with_unseen(choice: ModelChoice, completion: int, took_s: float, most: int) -> int:
    """Tokens of an answer that broke off, with what its model may have thought meanwhile: so many a second, and no more
    than the answer might have had."""
    if _THINK_UNSEEN.fullmatch(choice.model) is None:
        return completion
    return max(completion, min(most, round(took_s * _THOUGHT_IN_A_SECOND)))


class UsageMeter:
    """Sees every piece of an answer; `tokens` at the end."""

    def __init__(self, request_bytes: int) -> None:
        self._request_bytes = request_bytes
        self._tail = b""
        self._size = 0
        self._events = 0
        self._cached = 0

    @property
    def cached_tokens(self) -> int:
        """How many of the prompt's tokens the provider had in its cache; 0 where it doesn't say."""
        return self._cached

    @property
    def size(self) -> int:
        """Bytes seen."""
        return self._size

    def see(self, data: bytes) -> None:
        """Count the next piece."""
        self._size += len(data)
        self._events += data.count(b"data:")
        self._tail = data[-_TAIL_BYTES:] if len(data) >= _TAIL_BYTES else (self._tail + data)[-_TAIL_BYTES:]

    def end(self) -> None:
        """The worker, which reads this wire, sees itself whether an answer is whole."""

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
                return self._counted(cast("dict[Any, Any]", usage))
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
        return self._counted(cast("dict[Any, Any]", usage))

    def _counted(self, usage: dict[Any, Any]) -> tuple[int, int]:
        details = usage.get("prompt_tokens_details")
        self._cached = _count(cast("dict[Any, Any]", details), "cached_tokens") if isinstance(details, dict) else 0
        return _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")


def _count(usage: dict[Any, Any], name: str) -> int:
    value = usage.get(name)
    return value if isinstance(value, int) and 0 <= value < 2**31 else 0
