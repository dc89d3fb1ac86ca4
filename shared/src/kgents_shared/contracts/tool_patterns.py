"""Allow and deny patterns (`<server>.<tool>`, with `*` for any run of characters). Pure, and linear in the name."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

# `capability:<name>` stands for the tools that the tool registry keeps under that name; it is no pattern itself.
CAPABILITY = "capability:"


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a tool may be called, and the sentence that says why not."""

    allowed: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Pattern:
    text: str
    parts: tuple[str, ...]

    def matches(self, name: str) -> bool:
        first, *rest = self.parts
        if not rest:
            return name == first
        *middle, last = rest
        if len(name) < len(first) + len(last) or not name.startswith(first) or not name.endswith(last):
            return False
        position, end = len(first), len(name) - len(last)
        for part in middle:
            found = name.find(part, position, end)
            if found < 0:
                return False
            position = found + len(part)
        return True


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> _Pattern:
    return _Pattern(pattern, tuple(pattern.split("*")))


def matching(name: str, patterns: Iterable[str]) -> str | None:
    """The first of `patterns` that `name` matches, or None."""
    return next((pattern for pattern in patterns if _compiled(pattern).matches(name)), None)


def decide(name: str, *, allow: Sequence[str], deny: Sequence[str], denied_here: Sequence[str] = ()) -> Decision:
    """Whether a tool may be called: allowed by one pattern and denied by none; deny wins.

    `allow` and `deny` are the agent's `[tools]`; `denied_here` is the operator's, and holds for every agent.
    """
    if (pattern := matching(name, denied_here)) is not None:
        return Decision(False, f"The tool {name} is switched off on this platform (denied by {pattern}).")
    if (pattern := matching(name, deny)) is not None:
        return Decision(False, f"This agent may not call {name}: its [tools] deny has {pattern}.")
    if matching(name, allow) is None:
        return Decision(False, f"This agent may not call {name}: nothing in its [tools] allow covers it.")
    return Decision(True)
