"""How many tokens a model takes a message for, near enough to decide what fits: no tokenizer is loaded for it.

A token is about four bytes of UTF-8. Counted in bytes and not in characters, text that isn't Latin isn't taken for a
third of what it is. Who asks a model learns from what its provider tells how far the count is off.
"""

from collections.abc import Iterable
from typing import Final

from kgents_shared.contracts.worker import Message

_BYTES_PER_TOKEN: Final = 4
_TOKENS_PER_MESSAGE: Final = 4
_TOKENS_PER_CALL: Final = 8
_TOKENS_PER_IMAGE: Final = 1200  # of one as large as models look at


def tokens_of_text(text: str) -> int:
    """The tokens of a text, rounded up."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
    return -(-size // _BYTES_PER_TOKEN)


def tokens_of(message: Message) -> int:
    """The tokens of a message with its tool calls."""
    tokens = _TOKENS_PER_MESSAGE + tokens_of_text(message.text) + _TOKENS_PER_IMAGE * len(message.images)
    for call in message.tool_calls:
        tokens += _TOKENS_PER_CALL + tokens_of_text(call.name) + tokens_of_text(str(call.arguments))
    return tokens


def tokens_of_all(messages: Iterable[Message]) -> int:
    """The tokens of these messages."""
    return sum(tokens_of(message) for message in messages)
