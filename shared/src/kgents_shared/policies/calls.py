"""What a decision about a tool call is about, and what it is. Stands on nothing, so that it costs no start anything."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["platform", "owner"]


@dataclass(frozen=True, slots=True)
class ToolCallFacts:
    """What a decision is about. `agent_id` is None where a person or machine calls by themselves (`asked_by`)."""

    owner_id: str
    agent_id: str | None
    agent_name: str | None
    asked_by: str
    hops: int
    tool: str
    server: str
    kind: str
    side_effect: str
    argument_names: tuple[str, ...]
    argument_bytes: int
    unix_time: int


@dataclass(frozen=True, slots=True)
class PolicyDocument:
    """A stored policy: its id, the name that its owner gave it, and its text, which was examined without fault."""

    id: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class DecidingRule:
    """A rule that decided. `policy_id` and `policy` name the stored policy, `rule` is its `@id` or its number."""

    level: Level
    policy_id: str
    policy: str
    rule: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class PolicyDecision:
    """Whether a call may be made; where not, which rules say so, and a sentence with the way out."""

    allowed: bool
    rules: tuple[DecidingRule, ...] = ()
    reason: str = ""


ALLOWED = PolicyDecision(True)
