"""What an agent is told of a context at its turn, as the text of a message to it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from agent_runtime_service.messages.schemas import MAX_TEXT_BYTES

_HEAD: Final = (
    "You are in a conversation of several. What was said since your last turn, one JSON object a line; answer as "
    "{name}.{left_out}"
)
_LEFT_OUT: Final = " The oldest {count} of it are left out, for they are too long together."
_ROOM: Final = MAX_TEXT_BYTES - 512
_CUT: Final = "… [the rest is left out]"


def told(name: str, messages: Sequence[Mapping[str, Any]]) -> str:
    """What was said, for the agent of that name.

    A person's message alone is told as it is. Where others have spoken, each is a line of JSON: nobody can put words
    in another's mouth by what they say. What is too long for a message is left out from its beginning.
    """
    if len(messages) == 1 and messages[0]["kind"] == "person":
        return str(messages[0]["text"])
    lines: list[bytes] = []
    room = _ROOM - len(name.encode())
    for message in reversed(messages):
        line = orjson.dumps(message)
        if len(line) > room and not lines:
            line = orjson.dumps({**message, "text": _cut(str(message["text"]), room // 2)})
        room -= len(line) + 1
        if room < 0:
            break
        lines.append(line)
    count = len(messages) - len(lines)
    head = _HEAD.format(name=name, left_out=_LEFT_OUT.format(count=count) if count else "")
    return "\n".join([head, *(line.decode() for line in reversed(lines))])


def _cut(text: str, most_bytes: int) -> str:
    return text.encode()[: max(0, most_bytes - len(_CUT.encode()))].decode(errors="ignore") + _CUT
