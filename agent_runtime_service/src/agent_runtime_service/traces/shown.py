"""What of texts and values a trace shows: no secrets, and not more than was asked for."""

from dataclasses import dataclass
from typing import Any, Final, cast

import orjson

from kgents_shared.masking import masked_text, masked_value

# Where a provider's wire has the arguments of a call: as JSON in a text, or as an object.
_ARGUMENTS: Final = frozenset({"arguments", "input", "args"})


@dataclass(frozen=True, slots=True)
class Shown:
    """Texts of at most `most_chars`, without what looks like a secret."""

    most_chars: int

    def text(self, text: str) -> str:
        """A text of the trace."""
        return self._cut(masked_text(text))

    def text_or_none(self, text: object) -> str | None:
        """The same of what may not be there."""
        return self.text(text) if isinstance(text, str) else None

    def value(self, value: Any) -> Any:
        """A JSON value of a provider's wire: each text in it, and arguments as those of tools."""
        if isinstance(value, dict):
            rows = cast("dict[str, Any]", value)
            return {name: self._field(name, entry) for name, entry in rows.items()}
        if isinstance(value, list):
            return [self.value(entry) for entry in cast("list[Any]", value)]
        return self.text(value) if isinstance(value, str) else value

    def arguments(self, value: Any) -> Any:
        """Arguments of a tool: also without the fields that are named like a secret."""
        return masked_value(value, self.most_chars)

    def _field(self, name: str, entry: Any) -> Any:
        if name not in _ARGUMENTS:
            return self.value(entry)
        if isinstance(entry, dict):
            return self.arguments(entry)
        try:
            return orjson.dumps(self.arguments(orjson.loads(entry))).decode()
        except (orjson.JSONDecodeError, TypeError):
            return self.value(entry)

    def _cut(self, text: str) -> str:
        if len(text) <= self.most_chars:
            return text
        return f"{text[: self.most_chars]}… ({len(text)} characters)"
