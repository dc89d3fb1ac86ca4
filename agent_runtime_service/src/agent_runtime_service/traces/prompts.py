"""Prompts as they were sent, kept at the cost of what is new in each.

A model call sends all of its conversation again, so that most of a prompt stands in the one before: a row has the bytes
between what both begin with and what both end with.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast
from uuid import UUID

import orjson

MOST_PROMPT_BYTES: Final = 1_000_000
MOST_WHOLE_BYTES: Final = 64_000_000
"""Of all prompts of a trace together: each may be as long as all before it."""
_MOST_REMEMBERED_BYTES: Final = 32_000_000
_LEAST_SHARED_BYTES: Final = 200
# Whoever reads the last one reads all that it rests on.
_LONGEST_CHAIN: Final = 50


# Below that no image is in it.
_LEAST_WITH_DATA: Final = 8_000
_DATA = re.compile(r"(?:data:[^,]{0,100},)?[A-Za-z0-9+/_-]{4000,}={0,2}")


def prompt_bytes(sent: dict[str, Any]) -> bytes:
    """A request as it is kept: as it was sent, but for images, of which there is only the size."""
    body = orjson.dumps(sent)
    return body if len(body) < _LEAST_WITH_DATA else orjson.dumps(_without_data(sent))


def _without_data(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_data(entry) for name, entry in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_without_data(entry) for entry in cast("list[Any]", value)]
    if isinstance(value, str) and len(value) >= _LEAST_WITH_DATA // 2 and _DATA.fullmatch(value):
        return f"({len(value)} characters of data)"
    return value


@dataclass(frozen=True, slots=True)
class KeptPrompt:
    """`head` and `tail` bytes of the prompt of the call `of`, with `middle` between; all of it where `of` is None."""

    middle: bytes
    of: UUID | None = None
    head: int = 0
    tail: int = 0


@dataclass(slots=True)
class _Last:
    call_id: UUID
    body: bytes
    chain: int


class PromptMemory:
    """The last prompt of each conversation that was active here lately."""

    def __init__(self, most_bytes: int = _MOST_REMEMBERED_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._last: OrderedDict[UUID, _Last] = OrderedDict()

    def keep(self, conversation_id: UUID, call_id: UUID, body: bytes) -> KeptPrompt | None:
        """What is stored of a prompt; None for one that is too large to be kept."""
        if len(body) > MOST_PROMPT_BYTES:
            return None
        last = self._last.pop(conversation_id, None)
        kept, chain = KeptPrompt(body), 0
        if last is not None:
            self._bytes -= len(last.body)
            if last.chain < _LONGEST_CHAIN:
                shared = _between(last.body, body)
                if shared[0] + shared[1] >= _LEAST_SHARED_BYTES:
                    head, tail = shared
                    kept, chain = KeptPrompt(body[head : len(body) - tail], last.call_id, head, tail), last.chain + 1
        self._last[conversation_id] = _Last(call_id, body, chain)
        self._bytes += len(body)
        while self._bytes > self._most_bytes and self._last:
            self._bytes -= len(self._last.popitem(last=False)[1].body)
        return kept


def whole_prompts(kept: Mapping[UUID, KeptPrompt], most_bytes: int = MOST_WHOLE_BYTES) -> dict[UUID, bytes]:
    """The prompts of calls, from all that they rest on; those of which something isn't kept any more are left out, and
    those that are too many.
    """
    whole: dict[UUID, bytes] = {}
    for call_id in kept:
        if sum(map(len, whole.values())) > most_bytes:
            break
        waiting: list[UUID] = []
        place: UUID | None = call_id
        while place is not None and place not in whole and place in kept and place not in waiting:
            waiting.append(place)
            place = kept[place].of
        for one in reversed(waiting):
            row = kept[one]
            if row.of is None:
                whole[one] = row.middle
            elif row.of in whole:
                before = whole[row.of]
                whole[one] = before[: row.head] + row.middle + before[len(before) - row.tail :]
    return whole


def _between(before: bytes, now: bytes) -> tuple[int, int]:
    """How many bytes both begin with, and how many they end with."""
    most = min(len(before), len(now))
    head = _longest(lambda size: before[:size] == now[:size], most)
    tail = _longest(lambda size: before[len(before) - size :] == now[len(now) - size :], most - head)
    return head, tail


def _longest(holds: Callable[[int], bool], most: int) -> int:
    """The greatest size up to `most` for which it holds, where it holds for each smaller one too."""
    least = 0
    while least < most:
        middle = (least + most + 1) // 2
        if holds(middle):
            least = middle
        else:
            most = middle - 1
    return least
