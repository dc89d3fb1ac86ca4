"""A team's bots to the `AgentSpec` of the agent that they answer as."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from agent_management_service.kinds.compiling import Parts, spec_of
from agent_management_service.kinds.errors import NotRunnable
from agent_management_service.kinds.kind import Kind
from agent_management_service.kinds.repository import BotParts
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.definitions.compile import compile_spec
from kgents_shared.definitions.documents import Document
from kgents_shared.definitions.limits import SystemLimits
from kgents_shared.errors import FaultItem, InvalidInput

LEADER: Final = "leader"
_LONGEST_S: Final = 3600
_MOST_ROLE_CHARS: Final = 500


@dataclass(frozen=True, slots=True)
class TeamMember:
    """A bot of a team, and what the team says of it."""

    found: BotParts
    role: str | None


@dataclass(frozen=True, slots=True)
class BotTeam:
    """A team with its bots. `leader` is whose model and prompt the team has; a pipeline needs neither."""

    name: str
    mode: str
    leader: TeamMember | None
    members: Sequence[TeamMember]

    @classmethod
    def of(cls, name: str, mode: str, members: Sequence[TeamMember]) -> "BotTeam":
        """The one whose role is `leader` leads, or the first; it is no member then."""
        if mode == "pipeline":
            return cls(name, mode, None, members)
        leads = next((one for one in members if (one.role or "").lower() == LEADER), members[0])
        return cls(name, mode, leads, [one for one in members if one is not leads])


def team_spec(team: BotTeam, members: Sequence[AgentSpec], limits: SystemLimits) -> AgentSpec:
    """The agent that a team answers as, over its members as they are published; `NotRunnable` with every reason."""
    named = [
        {"agent": spec.name, "role": (member.role or spec.description)[:_MOST_ROLE_CHARS]}
        for member, spec in zip(team.members, members, strict=True)
    ]
    if team.leader is None:
        document: dict[str, Any] = _pipeline(team.name, members, limits)
    else:
        found = team.leader.found
        parts = Parts(found.ghost, found.model, found.shell)
        document = spec_of(Kind.TEAM, team.name, parts, limits).model_dump(mode="json", exclude_none=True)
    try:
        return compile_spec(Document({**document, "team": {"mode": team.mode, "members": named}}), limits)
    except InvalidInput as error:
        faults = [replace(fault, loc=_place(fault)) for fault in error.errors]
        raise NotRunnable(Kind.TEAM, team.name, faults) from error


def _pipeline(name: str, members: Sequence[AgentSpec], limits: SystemLimits) -> dict[str, Any]:
    """An agent that asks no model of its own, and has as long as its members together."""
    order = ", ".join(spec.name for spec in members)
    most_s = min(_LONGEST_S, limits.timeout_s or _LONGEST_S)
    return {
        "name": name,
        "system_prompt": f"A pipeline of {order}: each is given what the one before it answered.",
        "description": f"A pipeline of {order}."[:2000],
        "limits": {"timeout_s": min(most_s, sum(spec.limits.timeout_s for spec in members))},
    }


def _place(fault: FaultItem) -> tuple[str | int, ...]:
    match fault.loc:
        case ("team", "members", *rest):
            return ("members", *rest)
        case ("team", *_):
            return ("members",)
        case _:
            return fault.loc
