"""What policies decide of a tool call. Parsed once; a decision reads no clock and no database.

Policies stand at two levels: the platform's, and those of the owner whom a call is made for. Each level must let the
call pass. `forbid` wins. A level without any `permit` lets pass what it doesn't forbid; one that has a `permit` lets
pass only what it permits. A rule that can't be evaluated refuses the call.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cedarpy

from kgents_shared.policies.calls import ALLOWED, DecidingRule, Level, PolicyDecision, PolicyDocument, ToolCallFacts
from kgents_shared.policies.documents import facts_of
from kgents_shared.policies.tokens import Unreadable

_MOST_TOOLS = 64
_ACTION = {"type": "Action", "id": "call_tool"}
_FIX = {
    "platform": "An administrator can change it by `kgents policies update {} --platform`.",
    "owner": "Change it by `kgents policies update {}`.",
}
_OF_LEVEL = {"platform": "this platform", "owner": "the owner"}


@dataclass(frozen=True, slots=True)
class _Rule:
    """One rule; `decides` is None for the one that isn't anybody's."""

    text: str
    effect: str
    resource: tuple[str, str] | None
    decides: DecidingRule | None

    def may_concern(self, tool: str, server: str) -> bool:
        """Whether its scope leaves room for the tool."""
        return self.resource is None or self.resource in {("Tool", tool), ("Server", server)}


_BASE = _Rule("permit (principal, action, resource);", "permit", None, None)


@dataclass(frozen=True, slots=True)
class _Parsed:
    """Rules as Cedar has them: it numbers them in their order."""

    policies: cedarpy.PolicySet
    rules: Sequence[_Rule]


class _Set:
    """Rules that are evaluated together. `closed` names the level that permits only what it names.

    A call is held against those whose scope leaves room for its tool, parsed once for each tool.
    """

    def __init__(self, rules: Sequence[_Rule], closed: Level | None) -> None:
        self.closed: Level | None = closed
        self._whole = _parsed(rules)
        self._is_scoped = any(rule.resource is not None for rule in rules)
        self._by_tool: OrderedDict[tuple[str, str], _Parsed] = OrderedDict()

    def concerning(self, tool: str, server: str) -> _Parsed:
        """The rules that may concern a tool."""
        if not self._is_scoped:
            return self._whole
        key = (tool, server)
        found = self._by_tool.get(key)
        if found is None:
            found = self._by_tool[key] = _parsed([rule for rule in self._whole.rules if rule.may_concern(tool, server)])
            if len(self._by_tool) > _MOST_TOOLS:
                self._by_tool.popitem(last=False)
        self._by_tool.move_to_end(key)
        return found


class Policies:
    """The policies that hold for one owner's calls."""

    def __init__(self, platform: Sequence[PolicyDocument], own: Sequence[PolicyDocument] = ()) -> None:
        """Parse them.

        Raises:
            ValueError: a text is not a policy.
        """
        open_rules: list[_Rule] = []
        closed: list[_Set] = []
        levels: tuple[tuple[Level, Sequence[PolicyDocument]], ...] = (("platform", platform), ("owner", own))
        for level, documents in levels:
            rules = [rule for document in documents for rule in _rules(level, document)]
            if any(rule.effect == "permit" for rule in rules):
                closed.append(_Set(rules, level))
            else:
                open_rules += rules
        self._sets = [_Set([_BASE, *open_rules], None), *closed] if open_rules else closed

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
            asked = each.concerning(facts.tool, facts.server)
            result = cedarpy.is_authorized(request, asked.policies, entities)
            if not result.allowed or result.diagnostics.errors:
                return _refusal(facts.tool, each.closed, asked.rules, result)
        return ALLOWED


def _parsed(rules: Sequence[_Rule]) -> _Parsed:
    return _Parsed(cedarpy.PolicySet.from_str("\n".join(rule.text for rule in rules)), rules)


def _rules(level: Level, document: PolicyDocument) -> list[_Rule]:
    try:
        found = facts_of(document.text)  # first: nothing comes to the parser that was not read there
        for facts in found:
            cedarpy.PolicySet.from_str(facts.text)
    except (Unreadable, ValueError) as error:
        raise ValueError(f"the policy {document.name} can't be read: {error}") from error
    return [
        _Rule(
            facts.text,
            facts.effect,
            facts.resource,
            DecidingRule(level, document.id, document.name, facts.id or str(number), facts.reason),
        )
        for number, facts in enumerate(found, 1)
    ]


def _refusal(tool: str, closed: Level | None, asked: Sequence[_Rule], result: cedarpy.AuthzResult) -> PolicyDecision:
    errors = result.diagnostics.errors
    if errors:
        return PolicyDecision(False, (), f"A policy can't be evaluated, so {tool} is not called: {errors[0][:300]}")
    numbers = sorted(int(name.removeprefix("policy")) for name in result.diagnostics.reasons)
    rules = tuple(rule for number in numbers if (rule := asked[number].decides) is not None)
    if not rules:
        whose = _OF_LEVEL[closed or "owner"]
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
