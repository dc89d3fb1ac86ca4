"""Names of agents and tools as every MCP client takes them: letters, digits, `_` and `-`, 64 at most."""

import hashlib
import re
from collections.abc import Iterable

_FOREIGN = re.compile(r"[^a-zA-Z0-9_-]")
_MAX = 64
_MARK_CHARS = 8


def wire_names(names: Iterable[str]) -> dict[str, str]:
    """Each name by its form on the wire: `time.now` → `time_now`. Where two would be alike, each gets a mark."""
    plain: dict[str, list[str]] = {}
    for name in names:
        plain.setdefault(_FOREIGN.sub("_", name), []).append(name)
    found: dict[str, str] = {}
    for text, originals in plain.items():
        for name in originals:
            found[text if len(originals) == 1 and len(text) <= _MAX else _marked(text, name)] = name
    return found


def _marked(text: str, name: str) -> str:
    mark = hashlib.sha256(name.encode()).hexdigest()[:_MARK_CHARS]
    return f"{text[: _MAX - _MARK_CHARS - 1]}_{mark}"
