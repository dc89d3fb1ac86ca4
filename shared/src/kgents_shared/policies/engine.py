"""What policies decide of a tool call. Parsed once; a decision reads no clock and no database.

Policies stand at two levels: the platform's, and those of the owner whom a call is made for. Each level must let the
call pass. `forbid` wins. A level without any `permit` lets pass what it doesn't forbid; one that has a `permit` lets
pass only what it permits. A rule that can't be evaluated refuses the call.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import cedarpy

from kgents_shared.policies.calls import ALLOWED, DecidingRule, Level, PolicyDecision, PolicyDocument, ToolCallFacts
from kgents_shared.policies.documents import facts_of
from kgents_shared.policies.tokens import Unreadable

_BASE = "permit (principal, action, resource);"
_ACTION = {"type": "Action", "id": "call_tool"}
_FIX = {
    "platform": "An administrator can change it by `kgents policies update {} --platform`.",
    "owner": "Change it by `kgents policies update {}`.",
}
_OF_LEVEL = {"platform": "this platform", "owner": "the owner"}


@dataclass(slots=True)
class _Set:
    """Rules that are evaluated together. `closed` names the level that permits only what it names."""

    closed: Level | None
    texts: list[str] = field(default_factory=list[str])
    rules: list[DecidingRule | None] = field(default_factory=list["DecidingRule | None"])
    parsed: cedarpy.PolicySet | None = None


class Policies:
    """The policies that hold for one owner's calls."""

    def __init__(self, platform: Sequence[PolicyDocument], own: Sequence[PolicyDocument] = ()) -> None:
        """Parse them.

        Raises:
            ValueError: a text is not a policy.
        """
        together = _Set(None, [_BASE], [None])
        self._sets: list[_Set] = []
        levels: tuple[tuple[Level, Sequence[PolicyDocument]], ...] = (("platform", platform), ("owner", own))
        for level, documents in levels:
            read = [(document, _rules(level, document)) for document in documents]
            permits = any(effect == "permit" for _, rules in read for _, effect in rules)
            target = _Set(level) if permits else together
            for document, rules in read:
                target.texts.append(document.text)
                target.rules.extend(rule for rule, _ in rules)
            if permits:
                self._sets.append(target)
        if len(together.texts) > 1:
            self._sets.insert(0, together)
        for each in self._sets:
            each.parsed = cedarpy.PolicySet.from_str("\n".join(each.texts))

    def decide(self, facts: ToolCallFacts) -> PolicyDecision:
        """Whether the call may be made."""
        if not self._sets:
            return ALLOWED
        request = _request(facts)
        entities = _entities(
            (facts.owner_id, facts.agent_id, facts.agent_name, facts.asked_by),
            (facts.tool, facts.server, facts.kind, facts.side_effect),
        )
        for each in self._sets:
            assert each.parsed is not None  # noqa: S101 -- the constructor parsed each
            result = cedarpy.is_authorized(request, each.parsed, entities)
            if not result.allowed or result.diagnostics.errors:
                return _refusal(facts.tool, each, result)
        return ALLOWED


def _rules(level: Level, document: PolicyDocument) -> list[tuple[DecidingRule, str]]:
    try:
        found = facts_of(document.text)  # first: nothing comes to the parser that was not read there
        cedarpy.PolicySet.from_str(document.text)
    except (Unreadable, ValueError) as error:
        raise ValueError(f"the policy {document.name} can't be read: {error}") from error
    return [
        (DecidingRule(level, document.id, document.name, facts.id or str(number), facts.reason), facts.effect)
        for number, facts in enumerate(found, 1)
    ]


def _refusal(tool: str, each: _Set, result: cedarpy.AuthzResult) -> PolicyDecision:
    errors = result.diagnostics.errors
    if errors:
        return PolicyDecision(False, (), f"A policy can't be evaluated, so {tool} is not called: {errors[0][:300]}")
    numbers = sorted(int(name.removeprefix("policy")) for name in result.diagnostics.reasons)
    rules = tuple(rule for number in numbers if (rule := each.rules[number]) is not None)
    if not rules:
        whose = _OF_LEVEL[each.closed or "owner"]
        return PolicyDecision(
            False, (), f"No policy of {whose} permits {tool}, and {whose} has policies that permit what they name. "
            "`kgents policies list` shows them; add a permit for it there.",
        )  # fmt: skip
    first = rules[0]
    why = f" {first.reason}" if first.reason else ""
    return PolicyDecision(
        False, rules,
        f"The policy {first.policy} of {_OF_LEVEL[first.level]} forbids {tool} (rule {first.rule}).{why} "
        f"{_FIX[first.level].format(first.policy)}",
    )  # fmt: skip


def _request(facts: ToolCallFacts) -> dict[str, object]:
    minutes, days = facts.unix_time // 60, facts.unix_time // 86_400
    context = {
        "asked_by": facts.asked_by,
        "hops": facts.hops,
        "arguments": {"names": facts.argument_names, "bytes": facts.argument_bytes},
        "time": {
            "unix": facts.unix_time,
            "hour": minutes // 60 % 24,
            "minute": minutes % 60,
            "weekday": (days + 3) % 7 + 1,  # the epoch was a Thursday
        },
    }
    return {
        "principal": _principal(facts.agent_id, facts.asked_by),
        "action": _ACTION,
        "resource": {"type": "Tool", "id": facts.tool},
        "context": json.dumps(context),  # once, however many sets are asked
    }


def _principal(agent_id: str | None, asked_by: str) -> dict[str, str]:
    return {"type": "Person", "id": asked_by} if agent_id is None else {"type": "Agent", "id": agent_id}


@lru_cache(maxsize=4096)
def _entities(who: tuple[str, str | None, str | None, str], what: tuple[str, str, str, str]) -> cedarpy.Entities:
    """Parsed once for each pair of caller and tool."""
    owner_id, agent_id, agent_name, asked_by = who
    name, server, kind, side_effect = what
    parents = [{"type": "Owner", "id": owner_id}]
    attributes = {} if agent_id is None else {"name": agent_name or ""}
    return cedarpy.Entities.from_json_str(
        json.dumps(
            [
                {"uid": _principal(agent_id, asked_by), "attrs": attributes, "parents": parents},
                {
                    "uid": {"type": "Tool", "id": name},
                    "attrs": {"name": name, "kind": kind, "side_effect": side_effect},
                    "parents": [{"type": "Server", "id": server}],
                },
            ]
        )
    )
