"""Tools' names on OpenAI's wire, which takes no dots: `server.tool` there and back."""

import re
from collections.abc import Iterable

_REFUSED = re.compile(r"[^a-zA-Z0-9_-]")
_MAX_CHARS = 64


class ToolNames:
    """A two-way map for the tools of one run; two names that would fall together are told apart by a number."""

    def __init__(self, names: Iterable[str]) -> None:
        self._to_wire: dict[str, str] = {}
        self._from_wire: dict[str, str] = {}
        for name in names:
            wire = self._free(_REFUSED.sub("_", name)[:_MAX_CHARS])
            self._to_wire[name] = wire
            self._from_wire[wire] = name

    def _free(self, wire: str) -> str:
        candidate, number = wire, 1
        while candidate in self._from_wire:
            number += 1
            suffix = f"_{number}"
            candidate = wire[: _MAX_CHARS - len(suffix)] + suffix
        return candidate

    def to_wire(self, name: str) -> str:
        """The safe name; one that isn't offered any more (an older message names it) is only made safe."""
        return self._to_wire.get(name) or _REFUSED.sub("_", name)[:_MAX_CHARS]

    def from_wire(self, wire: str) -> str:
        """The tool's own name; a name that was never offered comes back as the model said it."""
        return self._from_wire.get(wire, wire)
