"""What the wrappers' API takes and answers."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StringConstraints
from pydantic_core import PydanticCustomError

from agent_management_service.agents.models import AgentStatus
from agent_management_service.kinds.schemas import KindView
from kgents_shared.contracts.agent_spec import (
    AgentName,
    CacheSeconds,
    Capability,
    Description,
    LimitsSpec,
    LlmFallbacks,
    MaxTokens,
    MemorySpec,
    ModelName,
    Prompt,
    Provider,
    RemoteSpec,
    Temperature,
    ToolsSpec,
)
from kgents_shared.contracts.credentials import CredentialRef
from kgents_shared.contracts.model import Contract

WrapperVersion = Annotated[
    str, StringConstraints(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$", max_length=100)
]


def _each_once(providers: list[Provider]) -> list[Provider]:
    if len(set(providers)) != len(providers):
        raise PydanticCustomError("doubled_provider", "must not name a provider twice")
    return providers


SupportedProviders = Annotated[list[Provider], Field(max_length=10), AfterValidator(_each_once)]


class ModelSettings(Contract):
    """Which model answers, as in an agent's `[llm]`; what is absent stays as the wrapped agent has it."""

    provider: Provider | None = None
    model: ModelName | None = None
    temperature: Temperature | None = None
    max_tokens: MaxTokens | None = None
    credential_ref: CredentialRef | None = None
    fallbacks: LlmFallbacks | None = None
    cache_s: CacheSeconds | None = None


class ChatConfiguration(Contract):
    """What is put over the wrapped agent's definition. Without one, `system_prompt` must be there."""

    shell: Literal["Chat"] = "Chat"
    system_prompt: Prompt | None = None
    capabilities: Annotated[list[Capability], Field(max_length=50)] | None = None
    llm: ModelSettings | None = None
    tools: ToolsSpec | None = None
    memory: MemorySpec | None = None
    limits: LimitsSpec | None = None


class RemoteConfiguration(RemoteSpec):
    """An agent that runs elsewhere."""

    shell: Literal["Remote"]


class ConfigurationOfNoShell(Contract):
    """What a configuration is read as whose `shell` is none of ours: it tells of that."""

    shell: Literal["Chat", "Remote"]


class _WrapperFields(Contract):
    name: AgentName
    description: Description = ""
    version: WrapperVersion = "1.0.0"
    supported_providers: SupportedProviders = Field(default_factory=list[Provider])
    agent_id: UUID | None = None


class ChatWrapperBody(_WrapperFields):
    """A wrapper of an agent of the platform.

    `supported_providers` are the model providers that it may run on, the preferred one first; empty is any.
    """

    configuration: ChatConfiguration = ChatConfiguration()


class RemoteWrapperBody(_WrapperFields):
    """A wrapper of an agent that runs elsewhere. `supported_providers` says nothing of it."""

    configuration: RemoteConfiguration


class WrapperOfNoShell(_WrapperFields):
    """What a wrapper's body is read as whose configuration has a shell that is none of ours."""

    configuration: ConfigurationOfNoShell


class Wrapper(KindView):
    """A wrapper. `deployed_agent_id` is the agent that it was deployed as, `deployed_version` its version then."""

    description: str
    version: str
    supported_providers: list[Provider]
    agent_id: UUID | None
    configuration: dict[str, Any]
    deployed_agent_id: UUID | None
    deployed_version: str | None
    deployed_at: datetime | None


class DeployedAgent(BaseModel):
    """The agent that a wrapper was deployed as."""

    id: UUID
    name: str
    status: AgentStatus
    version: int | None


WrapperState = Literal[
    "not_deployed", "agent_deleted", "starting", "ready", "updating", "failed", "stopping", "stopped"
]


class WrapperStatus(BaseModel):
    """What runs of a wrapper, as it is now.

    `changed_since`: it was changed after it was deployed. `endpoint_url` takes messages; `ready` of its `instances`
    answer, and `last_error` is why one last ended by itself.
    """

    wrapper_id: UUID
    name: str
    status: WrapperState
    deployed_at: datetime | None
    deployed_version: str | None
    changed_since: bool
    agent: DeployedAgent | None
    endpoint_url: str | None
    instances: int
    ready: int
    last_error: str | None
