"""Whether a tool may be called. Pure: rules and patterns in, a decision with its reason out.

Four levels are asked in turn: the platform's rules (with the operator's `TOOLS_DENIED`), the owner's, those for this
agent, and the `[tools]` of the agent's own definition. Each must let the call pass: deny wins, and a level with any
allow lets pass what it allows alone. A level without rules lets everything pass, but for the definition, which allows
only what it names.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from kgents_shared.contracts.tool_patterns import CAPABILITY, matching

Effect = Literal["allow", "deny"]
Level = Literal["operator", "system", "owner", "agent", "definition"]
Capabilities = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class LevelRules:
    """The patterns of one level."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


_NO_RULES = LevelRules()


@dataclass(frozen=True, slots=True)
class OwnerRules:
    """All that is said of one owner's calls, the definition of the agent apart.

    Capabilities are name → patterns: `platform_capabilities` is what the platform's rules mean by a name, which its
    owners can't give another meaning; `capabilities` what all others mean, the owner's own before the platform's.
    """

    system: LevelRules = _NO_RULES
    owner: LevelRules = _NO_RULES
    agents: Mapping[str, LevelRules] = field(default_factory=dict[str, LevelRules])
    capabilities: Capabilities = field(default_factory=dict[str, Sequence[str]])
    platform_capabilities: Capabilities = field(default_factory=dict[str, Sequence[str]])


@dataclass(frozen=True, slots=True)
class Asked:
    """A tool, and who wants to call it. A call without an agent has no name, and `allow` and `deny` of its own."""

    tool: str
    agent_name: str | None
    allow: Sequence[str]
    deny: Sequence[str]


@dataclass(frozen=True, slots=True)
class Denial:
    """Why not: the level, its pattern (None where nothing allows it), and a sentence with what can be done."""

    level: Level
    pattern: str | None
    sentence: str

    def as_json(self) -> dict[str, Any]:
        """What is kept of it with the call."""
        effect = "deny" if self.pattern is not None else "allow"
        return {"level": self.level, "effect": effect, "pattern": self.pattern}


# An owner is an id here: whether it is a person or an organisation is not known.
_ELSEWHERE = ", of an organisation with --organisation SLUG."


def denial(asked: Asked, rules: OwnerRules, denied_here: Sequence[str]) -> Denial | None:
    """Why a tool may not be called, or None where it may."""
    agent = _NO_RULES if asked.agent_name is None else rules.agents.get(asked.agent_name, _NO_RULES)
    if (pattern := matching(asked.tool, denied_here)) is not None:
        return _denied("operator", asked, pattern)
    levels: tuple[tuple[Level, LevelRules, Capabilities], ...] = (
        ("system", rules.system, rules.platform_capabilities),
        ("owner", rules.owner, rules.capabilities),
        ("agent", agent, rules.capabilities),
    )
    for level, of_level, meant in levels:
        if (pattern := _covering(asked.tool, of_level.deny, meant, unknown=True)) is not None:
            return _denied(level, asked, pattern)
        if of_level.allow and _covering(asked.tool, of_level.allow, meant, unknown=False) is None:
            return _not_allowed(level, asked)
    if (pattern := _covering(asked.tool, asked.deny, rules.capabilities, unknown=True)) is not None:
        return _denied("definition", asked, pattern)
    if _covering(asked.tool, asked.allow, rules.capabilities, unknown=False) is None:
        return _not_allowed("definition", asked)
    return None


def denied_to_all(tool: str, rules: OwnerRules, denied_here: Sequence[str]) -> bool:
    """Whether no agent of the owner may call a tool, whatever its definition says."""
    return denial(Asked(tool, None, ["*"], ()), rules, denied_here) is not None


def _covering(tool: str, patterns: Iterable[str], capabilities: Capabilities, *, unknown: bool) -> str | None:
    """The first that covers a tool; `unknown`: whether a capability that nobody has named covers everything."""
    for pattern in patterns:
        if not pattern.startswith(CAPABILITY):
            if matching(tool, (pattern,)) is not None:
                return pattern
            continue
        meant = capabilities.get(pattern[len(CAPABILITY) :])
        if unknown if meant is None else matching(tool, meant) is not None:
            return pattern
    return None


def _denied(level: Level, asked: Asked, pattern: str) -> Denial:
    tool, fix = asked.tool, f"`kgents tools deny '{pattern}' --remove`"
    sentences: Mapping[Level, str] = {
        "operator": f"The tool {tool} is switched off on this platform (denied by {pattern} in TOOLS_DENIED). "
        "Its operator can take that out.",
        "system": f"The tool {tool} is switched off on this platform (denied by {pattern}). "
        f"An administrator can lift that by {fix[:-1]} --system`.",
        "owner": f"No agent of this owner may call {tool}: a rule denies {pattern}. Lift that by {fix}{_ELSEWHERE}",
        "agent": f"The agent {asked.agent_name} may not call {tool}: a rule for it denies {pattern}. "
        f"Lift that by {fix[:-1]} --agent {asked.agent_name}`{_ELSEWHERE}",
        "definition": f"This agent may not call {tool}: its [tools] deny has {pattern}. "
        "Take that out and publish it again.",
    }
    return Denial(level, pattern, sentences[level])


def _not_allowed(level: Level, asked: Asked) -> Denial:
    tool, fix = asked.tool, f"`kgents tools allow {asked.tool}"
    sentences: Mapping[Level, str] = {
        "system": f"The tool {tool} is not on this platform's allowlist. "
        f"An administrator can add it by {fix} --system`.",
        "owner": f"The tool {tool} is not on its owner's allowlist. Add it by {fix}`{_ELSEWHERE}",
        "agent": f"The tool {tool} is not on the allowlist for the agent {asked.agent_name}. "
        f"Add it by {fix} --agent {asked.agent_name}`{_ELSEWHERE}",
        "definition": f"This agent may not call {tool}: nothing in its [tools] allow covers it. "
        "Add it there and publish it again.",
    }
    return Denial(level, None, sentences[level])
