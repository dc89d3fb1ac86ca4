"""What a model's draft may decide, and what only the request, the platform and the owner's tools do.

A description may come from anywhere: whatever it makes the model write gives nobody more than the caller has.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from kgents_shared.contracts.agent_spec import LlmSpec
from kgents_shared.errors import FaultItem
from nl_agent_service.drafts.schemas import DraftRequest
from nl_agent_service.errors import TooManyDrafts

LEFT_OUT = "left_out_of_draft"
# Which model answers and by whose account is the request's to say.
_OF_MODEL = frozenset({"temperature", "max_tokens"})
# Whose the agent is, what runs it and what somebody may do are not told by definitions at all.
_NOT_DRAFTED: Mapping[str, str] = {
    **dict.fromkeys(
        ("organisation", "organization", "organisation_id", "owner", "owner_id", "tenant"),
        "says whose the agent is: that is told by the request alone",
    ),
    **dict.fromkeys(
        ("roles", "role", "scopes", "permissions", "is_admin", "credentials", "credential_ref", "api_key_ref"),
        "would give rights or accounts: no draft does",
    ),
    **dict.fromkeys(("llm_provider", "provider", "model", "runtime", "shell"), "is for the request to choose"),
    "data": "would bring a flow's nodes, with their code: no draft does",
}
_MOST_NAME_CHARS = 64
_MOST_TOLD = 20
# What the validator warns of, where a draft may not have the pattern at all.
_NO_TOOL = frozenset(
    {
        "tool_not_registered",
        "tool_pattern_unmatched",
        "tool_denied_here",
        "tool_switched_off",
        "allows_every_tool",
        "capability_unknown",
    }
)


def bounded(drafted: Mapping[str, Any], request: DraftRequest) -> tuple[dict[str, Any], list[FaultItem]]:
    """The definition that a draft makes, and what of it was left out. What is null says nothing."""
    left_out: list[FaultItem] = []
    definition: dict[str, Any] = {}
    for name, value in _said(drafted).items():
        if name in _NOT_DRAFTED:
            left_out.append(_left((name,), _NOT_DRAFTED[name]))
        else:
            definition[name] = _said(cast("Mapping[str, Any]", value)) if isinstance(value, dict) else value
    llm = definition.pop("llm", {})
    if isinstance(llm, dict):
        own = cast("dict[str, Any]", llm)
        why = "is for the request to choose: which model answers, by whose account"
        others = [name[:_MOST_NAME_CHARS] for name in own if name not in _OF_MODEL]
        left_out += [_left(("llm", name), why) for name in others[:_MOST_TOLD]]
        llm = {name: value for name, value in own.items() if name in _OF_MODEL} | _chosen(request.llm)
    if llm:
        definition["llm"] = llm
    if request.kind == "flow" and (tools := definition.pop("tools", None)):
        left_out += _tools_of_flow(tools)
    if request.name is not None:
        definition["name"] = request.name
    return definition, left_out


def without_foreign_tools(
    definition: dict[str, Any], warnings: Sequence[FaultItem]
) -> tuple[dict[str, Any], list[FaultItem]]:
    """The definition without tools that its owner hasn't, and those patterns."""
    tools = cast("dict[str, Any]", definition.get("tools", {}))
    allow = cast("list[str]", tools.get("allow", []))
    if any(warning.code == "tools_unchecked" for warning in warnings):
        gone = dict.fromkeys(range(len(allow)), "could not be looked up")
    else:
        gone = {
            warning.loc[2]: warning.msg
            for warning in warnings
            if warning.code in _NO_TOOL and len(warning.loc) == 3 and warning.loc[:2] == ("tools", "allow")
        }
    if not gone:
        return definition, []
    kept = [pattern for place, pattern in enumerate(allow) if place not in gone]
    left_out = [_left(("tools", "allow", allow[int(place)]), why) for place, why in gone.items()]
    rest = {name: value for name, value in definition.items() if name != "tools"}
    # Without a tool that is allowed, what is denied denies nothing.
    return (rest | {"tools": {**tools, "allow": kept}} if kept else rest), left_out


def _tools_of_flow(tools: object) -> list[FaultItem]:
    """What is told where a flow's draft has tools all the same; empty lists say nothing."""
    named = any(cast("dict[str, Any]", tools).values()) if isinstance(tools, dict) else True
    return [_left(("tools",), "gives a simple flow tools, and it has none")] if named else []


def _said(table: Mapping[str, Any]) -> dict[str, Any]:
    return {str(name): value for name, value in table.items() if value is not None}


def _chosen(llm: LlmSpec) -> dict[str, Any]:
    return llm.model_dump(mode="json", exclude_none=True)


def _left(loc: tuple[str, ...], why: str) -> FaultItem:
    return FaultItem(loc, f"was left out: it {why}", LEFT_OUT, "add it yourself, if you want it")


@dataclass(slots=True)
class Places:
    """How many draftings are under way: in all, and of one person."""

    most: int
    most_of_owner: int
    _taken: Counter[str] = field(default_factory=Counter[str])

    def take(self, owner_id: str) -> Callable[[], None]:
        """A place; what is returned gives it back. Raises `TooManyDrafts`."""
        if self._taken[owner_id] >= self.most_of_owner:
            raise TooManyDrafts(f"You have {self.most_of_owner} draftings under way, the most that one may have.")
        if self._taken.total() >= self.most:
            raise TooManyDrafts("The platform drafts as many agents as it may right now; try again.")
        self._taken[owner_id] += 1

        def give_back() -> None:
            self._taken[owner_id] -= 1
            if self._taken[owner_id] <= 0:
                del self._taken[owner_id]

        return give_back
