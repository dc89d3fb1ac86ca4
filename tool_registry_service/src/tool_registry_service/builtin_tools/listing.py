"""Builtin tools among those that somebody lists."""

from collections.abc import Sequence

from kgents_shared.contracts.tool_patterns import matching
from tool_registry_service.builtin_tools.builtin import BuiltinDefinition
from tool_registry_service.tools.repository import ToolFilter


def wanted_of(
    definitions: Sequence[BuiltinDefinition], wanted: ToolFilter, after: str | None
) -> list[BuiltinDefinition]:
    """Those that are asked for, by name, after a name."""
    if wanted.server_id is not None or wanted.kind not in (None, "builtin") or wanted.state not in (None, "active"):
        return []
    return [
        definition
        for definition in definitions
        if (after is None or definition.name > after)
        and (wanted.patterns is None or matching(definition.name, wanted.patterns) is not None)
        and (wanted.text is None or _has(definition, wanted.text))
    ]


def _has(definition: BuiltinDefinition, text: str) -> bool:
    searched = f"{definition.name} {definition.description}".lower()
    return all(word in searched for word in text.lower().split())
