"""What goes over the wire for rules, capabilities and counts of denials."""

from datetime import date, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from kgents_shared.contracts.agent_spec import Text, ToolGrant, ToolPattern
from kgents_shared.contracts.model import Contract
from tool_registry_service.permissions.decision import Effect

RuleLevel = Literal["system", "owner", "agent"]
AgentName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", max_length=63)]
Note = Annotated[Text, StringConstraints(min_length=1, max_length=500)]


class NewRule(Contract):
    """Body of `POST /tools/permissions`.

    `pattern` is a tool's name with `*` for any run of characters, or `capability:<name>`. `level` is `owner` (every
    agent of the caller, or of the organisation in the query), `agent` (the one of that name) or `system` (every agent
    on the platform; an administrator's).
    """

    effect: Effect
    pattern: ToolGrant
    level: RuleLevel = "owner"
    agent: AgentName | None = None
    note: Note | None = None

    @model_validator(mode="after")
    def _of_one_level(self) -> Self:
        if (self.level == "agent") != (self.agent is not None):
            raise PydanticCustomError("bad_level", "agent goes with level agent, and with no other")
        return self


class RuleView(Contract):
    """A rule. `owner_id` is null for the platform's. `warnings` tells at its making what it does beside."""

    id: UUID
    level: RuleLevel
    owner_id: str | None
    agent: str | None
    effect: Effect
    pattern: str
    note: str | None
    created_by: str
    created_at: datetime
    warnings: list[str] = Field(default_factory=list[str])


class CapabilityBody(Contract):
    """Body of `PUT /tools/capabilities/{name}`: the tools that the name stands for."""

    patterns: Annotated[list[ToolPattern], Field(min_length=1, max_length=100)]
    description: Annotated[Text, StringConstraints(max_length=500)] = ""


class CapabilityView(Contract):
    """A capability. `owner_id` is null for the platform's."""

    name: str
    owner_id: str | None
    description: str
    patterns: list[str]
    updated_by: str
    updated_at: datetime


class DeniedBy(Contract):
    """What denied: a rule's `level` and `pattern` (null where an allowlist had none), or a policy and its rule."""

    level: str | None
    pattern: str | None
    policy: str | None
    rule: str | None


class DenialCountView(Contract):
    """How often on one day (UTC). `agent` is null for calls without one."""

    day: date
    owner_id: str
    agent: str | None
    tool: str
    denied_by: DeniedBy
    calls: int
