"""What goes over the wire for policies."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints

from governance_service.policies.models import EVERYBODY, PolicyRow, PolicyVersionRow
from kgents_shared.contracts.agent_spec import Text
from kgents_shared.contracts.model import Contract
from kgents_shared.contracts.tools import SideEffect

PolicyLevel = Literal["platform", "owner"]
PolicyName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", max_length=63)]
# Its length is told with the other faults of the text.
PolicyText = Annotated[Text, StringConstraints(max_length=100_000)]
PolicyDescription = Annotated[Text, StringConstraints(max_length=1_000)]
Word = Annotated[Text, StringConstraints(min_length=1, max_length=300)]


class NewPolicy(Contract):
    """Body of `POST /governance/policies`. `text` is Cedar: one rule or several.

    `level` is `owner` (calls of the caller's agents, or of the organisation's in the query) or `platform` (every
    call; an administrator's). One that is not `enabled` decides nothing.
    """

    name: PolicyName
    text: PolicyText
    level: PolicyLevel = "owner"
    description: PolicyDescription = ""
    enabled: bool = True


class PolicyChange(Contract):
    """Body of `PUT /governance/policies/{id}`: the whole policy but its name. `version`: only if that is the newest."""

    text: PolicyText
    description: PolicyDescription = ""
    enabled: bool = True
    version: Annotated[int, Field(ge=1)] | None = None


class PolicyView(Contract):
    """A policy. `owner_id` is null for the platform's."""

    id: UUID
    level: PolicyLevel
    owner_id: str | None
    name: str
    description: str
    text: str
    enabled: bool
    version: int
    created_by: str
    created_at: datetime
    updated_by: str
    updated_at: datetime


class PolicyVersionView(Contract):
    """What a policy was. `text` is null for its end."""

    version: int
    text: str | None
    enabled: bool
    changed_by: str
    at: datetime


class TriedCall(Contract):
    """A call of a tool that is only thought of. What is left out is as in a call of one's own, at this moment."""

    tool: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$", max_length=200)]
    server: Word | None = Field(default=None, description="What the tool is of; its name up to the first dot.")
    kind: Literal["mcp", "http", "wasm", "builtin"] = "mcp"
    side_effect: SideEffect = "external"
    arguments: dict[Annotated[str, StringConstraints(max_length=200)], Any] = Field(default_factory=dict[str, Any])
    agent_id: UUID | None = None
    agent_name: Word | None = None
    asked_by: Word | None = None
    hops: Annotated[int, Field(ge=0, le=1_000)] = 0
    at: AwareDatetime | None = None


class PolicyCheck(Contract):
    """Body of `POST /governance/policies/check`.

    `text` is tried beside the policies that are in force, instead of the one of that `name` where there is one;
    without it, those in force decide alone.
    """

    call: TriedCall
    text: PolicyText | None = None
    name: PolicyName | None = None
    level: PolicyLevel = "owner"


class DecidedBy(Contract):
    """A rule that decided. `policy_id` is null for the text that is tried."""

    level: PolicyLevel
    policy_id: UUID | None
    policy: str
    rule: str
    reason: str | None


class PolicyCheckView(Contract):
    """What would become of the call."""

    allowed: bool
    reason: str
    rules: list[DecidedBy]


def view_of(row: PolicyRow) -> PolicyView:
    """A policy as it goes over the wire."""
    return PolicyView(
        id=row.id, level=level_of(row.owner_id), owner_id=row.owner_id or None, name=row.name,
        description=row.description, text=row.text, enabled=row.enabled, version=row.version,
        created_by=row.created_by, created_at=row.created_at, updated_by=row.updated_by, updated_at=row.updated_at,
    )  # fmt: skip


def version_of(row: PolicyVersionRow) -> PolicyVersionView:
    """A version as it goes over the wire."""
    return PolicyVersionView(
        version=row.version, text=row.text, enabled=row.enabled, changed_by=row.changed_by, at=row.at
    )


def level_of(owner_id: str) -> PolicyLevel:
    """Whose policies those of an owner are."""
    return "platform" if owner_id == EVERYBODY else "owner"
