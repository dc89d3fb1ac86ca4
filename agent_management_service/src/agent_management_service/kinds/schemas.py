"""What the kinds' API takes and answers."""

from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from agent_management_service.kinds.models import KindRow
from kgents_shared.auth import Principal, organisation_of
from kgents_shared.contracts.agent_spec import (
    AgentName,
    CacheSeconds,
    Capability,
    Description,
    FallbackSpec,
    LimitsSpec,
    LlmFallbacks,
    MaxTokens,
    MemorySpec,
    ModelName,
    Prompt,
    Provider,
    RemoteSpec,
    Replicas,
    Temperature,
    Text,
    ToolsSpec,
)
from kgents_shared.contracts.credentials import CredentialRef
from kgents_shared.contracts.model import Contract
from kgents_shared.contracts.path_table import parses_as_uuid

ShellType = Literal["Chat", "Langflow", "Remote"]
TeamMode = Literal["pipeline", "route", "coordinate"]


def _is_no_id(name: str) -> str:
    if parses_as_uuid(name):
        raise PydanticCustomError("reserved_name", "would be taken for an id; choose another")
    return name


PartName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", max_length=63),
    AfterValidator(_is_no_id),
]


class GhostBody(Contract):
    """Who an agent is."""

    name: PartName
    description: Description = ""
    system_prompt: Prompt


class ModelBody(Contract):
    """Which language model answers. What is absent is the platform's default, as in an agent's `[llm]`.

    `api_key_ref` names a credential of the vault; a key itself is refused.
    """

    name: PartName
    provider: Provider | None = None
    model_name: ModelName | None = None
    temperature: Temperature | None = None
    max_tokens: MaxTokens | None = None
    api_key_ref: CredentialRef | None = None


class ChatConfig(Contract):
    """What the platform's own worker is given: everything of an agent that is neither ghost nor model."""

    capabilities: Annotated[list[Capability], Field(max_length=50)] = Field(default_factory=lambda: ["chat"])
    tools: ToolsSpec = ToolsSpec()
    memory: MemorySpec = MemorySpec()
    limits: LimitsSpec = LimitsSpec()
    fallbacks: LlmFallbacks = Field(default_factory=list[FallbackSpec])
    cache_s: CacheSeconds | None = None
    replicas: Replicas = 1


class LangflowConfig(Contract):
    """A flow as Langflow exports it."""

    flow: Annotated[dict[str, Any], Field(min_length=1)]


class ChatShellBody(Contract):
    """The platform's own worker."""

    name: PartName
    type: Literal["Chat"] = "Chat"
    config: ChatConfig = ChatConfig()


class LangflowShellBody(Contract):
    """A Langflow flow."""

    name: PartName
    type: Literal["Langflow"]
    config: LangflowConfig


class RemoteShellBody(Contract):
    """An agent that runs elsewhere."""

    name: PartName
    type: Literal["Remote"]
    config: RemoteSpec


class ShellOfNoType(Contract):
    """What a shell's body is read as where its `type` is none of ours: it tells of that and of the name."""

    name: PartName
    type: ShellType
    config: dict[str, Any] = Field(default_factory=dict[str, Any])


class BotBody(Contract):
    """A ghost, a model and a shell of the bot's owner."""

    name: AgentName
    ghost_id: UUID
    model_id: UUID
    shell_id: UUID


class Member(Contract):
    """A bot of a team, and what it does there."""

    bot_id: UUID
    role: Annotated[Text, StringConstraints(min_length=1, max_length=100)] | None = None


def _each_once(members: list[Member]) -> list[Member]:
    if len({member.bot_id for member in members}) != len(members):
        raise PydanticCustomError("doubled_member", "must not name a bot twice")
    return members


class TeamBody(Contract):
    """Bots of the team's owner that work together; `mode` says how."""

    name: AgentName
    mode: TeamMode = "pipeline"
    members: Annotated[list[Member], Field(min_length=1, max_length=50), AfterValidator(_each_once)]


class KindView(BaseModel):
    """What every kind answers. `organisation` is the slug of the organisation that owns it, null where that is you."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    owner_id: str
    organisation: str | None = None
    created_at: datetime
    updated_at: datetime


class Ghost(KindView):
    """Who an agent is."""

    description: str
    system_prompt: str


class Model(KindView):
    """Which language model answers; null is the platform's default."""

    provider: Provider | None
    model_name: str | None
    temperature: float | None
    max_tokens: int | None
    api_key_ref: str | None


class Shell(KindView):
    """What executes an agent."""

    type: ShellType
    config: ChatConfig | LangflowConfig | RemoteSpec


class Bot(KindView):
    """What can be published as an agent."""

    ghost_id: UUID
    model_id: UUID
    shell_id: UUID


class BotInFull(Bot):
    """A bot with what it refers to."""

    ghost: Ghost
    model: Model
    shell: Shell


class Team(KindView):
    """Bots that work together."""

    mode: TeamMode
    members: list[Member]


class MemberInFull(BaseModel):
    """A member with its bot."""

    bot_id: UUID
    role: str | None
    bot: Bot


class TeamInFull(KindView):
    """A team with its members' bots."""

    mode: TeamMode
    members: list[MemberInFull]


ViewT = TypeVar("ViewT", bound=KindView)


def kind_view(view: type[ViewT], row: KindRow, principal: Principal) -> ViewT:
    """A thing as this caller sees it."""
    return view.model_validate(row).model_copy(update={"organisation": organisation_of(principal, row.owner_id)})
