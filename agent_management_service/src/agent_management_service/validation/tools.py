"""Whether the tools that a definition names are there, and may be called."""

from collections.abc import Iterator, Mapping, Sequence

from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.tool_patterns import CAPABILITY, matching
from kgents_shared.contracts.tools import KnownTool
from kgents_shared.definitions.suggestions import near
from kgents_shared.errors import FaultItem

# Looking for what was meant takes a millisecond for each few tools: beyond these, patterns are told without it.
_MOST_MEANT = 3
_MOST_LOOKED_AT = 1000
_OFF = {
    "changed": (
        "tool_switched_off",
        "is switched off: its definition changed at its server",
        "read the change with GET /tools/{name} and accept it",
    ),
    "removed": (
        "tool_switched_off",
        "is switched off: its server has it no more",
        "name another tool, or bring it back",
    ),
    "denied": ("tool_denied_here", "is switched off on this platform", "leave it out, or ask the operator"),
}


def tool_warnings(
    spec: AgentSpec, known: Sequence[KnownTool], capabilities: Mapping[str, Sequence[str]] | None = None
) -> list[FaultItem]:
    """A warning for each pattern that no tool of the owner answers to, or none that can be called now."""
    named = capabilities or {}
    return [*_of_list("allow", spec.tools.allow, known, named), *_of_list("deny", spec.tools.deny, known, named)]


def _of_list(
    name: str, patterns: Sequence[str], known: Sequence[KnownTool], capabilities: Mapping[str, Sequence[str]]
) -> Iterator[FaultItem]:
    servers = sorted({tool.name.partition(".")[0] for tool in known})[:_MOST_LOOKED_AT]
    names = [tool.name for tool in known][:_MOST_LOOKED_AT]
    unmatched = 0
    for place, pattern in enumerate(patterns):
        loc = ("tools", name, place)
        meant = [pattern]
        if pattern.startswith(CAPABILITY):
            capability = pattern.removeprefix(CAPABILITY)
            if capability not in capabilities:
                hint = near(capability, list(capabilities)) or "name its tools with PUT /tools/capabilities/{name}"
                yield FaultItem(loc, "is no capability of this owner", "capability_unknown", hint)
                continue
            meant = list(capabilities[capability])
            if name == "allow" and any(set(each) <= {"*", "."} for each in meant):
                msg = "stands for every tool, also those that are registered later"
                yield FaultItem(loc, msg, "allows_every_tool", "name the servers that the agent needs")
                continue
        found = [tool for tool in known if matching(tool.name, meant) is not None]
        if not found:
            unmatched += 1
            is_looked_for = unmatched <= _MOST_MEANT
            yield _unmatched(loc, pattern, servers if is_looked_for else (), names if is_looked_for else ())
        elif name == "allow" and all(tool.state in _OFF for tool in found):
            code, msg, hint = _OFF[found[0].state]
            yield FaultItem(loc, f"{found[0].name} {msg}", code, hint.replace("{name}", found[0].name))


def _unmatched(loc: tuple[str | int, ...], pattern: str, servers: Sequence[str], names: Sequence[str]) -> FaultItem:
    server, dot, rest = pattern.partition(".")
    register = "register its server: `kgents mcp add`, or POST /mcp-servers"
    if "*" not in pattern:
        hint = near(pattern, names) or register
        return FaultItem(loc, "is no tool of this owner", "tool_not_registered", hint)
    meant = near(server, servers) if server not in servers else None
    hint = meant.replace('"?', f'{dot}{rest}"?') if meant else register
    return FaultItem(loc, "matches no tool of this owner", "tool_pattern_unmatched", hint)
