"""Pinned definitions, of whatever kind of tool: how they meet what there is now, and how a changed one is taken."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from tool_registry_service.errors import NothingToAccept
from tool_registry_service.tools.models import Tool, ToolState


class Definition(Protocol):
    """What a server or a document has under a name now."""

    @property
    def name(self) -> str:
        """What the far side calls it."""
        ...

    @property
    def definition_hash(self) -> str:
        """What tells whether it is the pinned one."""
        ...


DefinitionT = TypeVar("DefinitionT", bound=Definition)


@dataclass(slots=True)
class Comparison:
    """What a refresh makes of the stored tools: full names, and the rows that are new."""

    added: list[str] = field(default_factory=list[str])
    changed: list[str] = field(default_factory=list[str])
    removed: list[str] = field(default_factory=list[str])
    unchanged: list[str] = field(default_factory=list[str])
    new_rows: list[Tool] = field(default_factory=list[Tool])


def compare(
    stored: Sequence[Tool],
    found: Sequence[DefinitionT],
    *,
    pending_of: Callable[[DefinitionT], dict[str, Any]],
    new_row: Callable[[DefinitionT], Tool],
    now: datetime,
) -> Comparison:
    """Bring `stored` up to `found`: a changed definition switches its tool off, the pinned one switches it on."""
    result = Comparison()
    by_name = {definition.name: definition for definition in found}
    for row in stored:
        definition = by_name.pop(row.remote_name, None)
        if definition is None:
            _set(row, "removed", None, now)
            result.removed.append(row.name)
        elif definition.definition_hash == row.definition_hash:
            _set(row, "active", None, now)
            result.unchanged.append(row.name)
        else:
            _set(row, "changed", pending_of(definition), now)
            result.changed.append(row.name)
    result.new_rows = [new_row(definition) for definition in by_name.values()]
    result.added = [row.name for row in result.new_rows]
    return result


def _set(row: Tool, state: ToolState, pending: dict[str, Any] | None, now: datetime) -> None:
    if (row.state, row.pending) != (state, pending):
        row.state, row.pending, row.updated_at = state, pending, now


def pending_definition(tool: Tool, definition_hash: str | None) -> Mapping[str, Any]:
    """The definition that waits to be accepted, if it is the one of this hash, where one is given.

    Raises:
        NothingToAccept: none waits, or another one.
    """
    pending = tool.pending
    if tool.state != "changed" or pending is None:
        raise NothingToAccept(f"{tool.name} has no changed definition that waits to be accepted.")
    if definition_hash is not None and definition_hash != pending["definition_hash"]:
        raise NothingToAccept(f"The definition of {tool.name} has changed again; read it and accept that one.")
    return pending


def pin(tool: Tool, pending: Mapping[str, Any], by: str) -> None:
    """Take what every definition has, and switch the tool on again. The database counts the version."""
    tool.description, tool.input_schema = str(pending["description"]), pending["input_schema"]
    # One that waits from before output schemas were kept has none.
    tool.output_schema, tool.definition_hash = pending.get("output_schema"), str(pending["definition_hash"])
    tool.state, tool.pending, tool.updated_at = "active", None, datetime.now(UTC)
    tool.pinned_by = by
