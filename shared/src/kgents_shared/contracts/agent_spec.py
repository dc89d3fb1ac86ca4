"""`AgentSpec`: the one definition that every form of an agent compiles to (DESIGN §4).

A field enters the spec with the part that enforces it; until then it is refused as unknown.
"""

import re
from typing import Annotated, Any, Literal, cast

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from kgents_shared.contracts.credentials import CredentialRef
from kgents_shared.contracts.model import Contract
from kgents_shared.contracts.path_table import RESERVED_AGENT_NAMES, parses_as_uuid

_SURROGATE = re.compile("[\ud800-\udfff]")
MAX_PROMPT_CHARS = 65_536
Provider = Literal["openai", "anthropic", "google", "ollama", "localai", "openai-compatible", "echo"]
Shell = Literal["Chat", "Langflow", "Remote"]
MemoryScope = Literal["agent", "user", "conversation", "organisation"]
RemoteProtocol = Literal["a2a", "openai", "http"]
TeamMode = Literal["pipeline", "route", "coordinate"]


def storable(text: str) -> str:
    """Refuse what PostgreSQL and UTF-8 can't hold: NUL and lone surrogates."""
    if "\x00" in text:
        raise PydanticCustomError("nul_character", "must not contain a NUL character")
    if _SURROGATE.search(text) is not None:
        raise PydanticCustomError("lone_surrogate", "must not contain a lone surrogate")
    return text


def _free_name(name: str) -> str:
    if name in RESERVED_AGENT_NAMES or parses_as_uuid(name):
        raise PydanticCustomError("reserved_name", "is a reserved name; choose another")
    return name


def _once(capabilities: list[str]) -> list[str]:
    if len(set(capabilities)) != len(capabilities):
        raise PydanticCustomError("doubled_capability", "must not name one twice")
    return capabilities


Text = Annotated[str, AfterValidator(storable)]
ModelName = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(storable)]
Prompt = Annotated[str, StringConstraints(min_length=1, max_length=MAX_PROMPT_CHARS), AfterValidator(storable)]
Temperature = Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)]
MaxTokens = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
Money = Annotated[
    str,
    BeforeValidator(lambda given: str(given) if type(given) in (int, float) else given),
    StringConstraints(pattern=r"^[0-9]{1,9}(\.[0-9]{1,6})?$"),
]
"""An amount in the platform's currency, as a decimal string; a number in TOML is taken as it is written."""
RemoteUrl = Annotated[
    str,
    StringConstraints(pattern=r"^https?://[^\s/?#@\\]+([/?][^\s#\\]*)?$", max_length=2000),
    AfterValidator(storable),
]
Description = Annotated[str, StringConstraints(max_length=2000), AfterValidator(storable)]
AgentName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", max_length=63),
    AfterValidator(_free_name),
]
Capability = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$")]
FlowHash = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
ToolPattern = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_*-]+(\.[A-Za-z0-9_*-]+)*$", max_length=128)]
ToolGrant = Annotated[
    str,
    StringConstraints(
        pattern=r"^(capability:[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?|[A-Za-z0-9_*-]+(\.[A-Za-z0-9_*-]+)*)$",
        max_length=128,
    ),
]


class FallbackSpec(Contract):
    """A model that is asked where the ones before it can't answer."""

    provider: Provider = Field(description="Who answers.")
    model: ModelName | None = Field(default=None, description="The model. Absent, it is the provider's default.")
    credential_ref: CredentialRef | None = Field(
        default=None, description="Whose account is asked. Absent, it is the platform's."
    )


LlmFallbacks = Annotated[list[FallbackSpec], Field(max_length=5)]
CacheSeconds = Annotated[int, Field(ge=1, le=604_800, strict=True)]
Replicas = Annotated[int, Field(ge=1, le=32, strict=True)]


class LlmSpec(Contract):
    """Which model answers. `provider` and `model` absent mean the platform's default when a run starts."""

    provider: Provider | None = Field(
        default=None,
        description="Who answers: `openai`, `anthropic`, `google`, `ollama`, `localai`, any server that speaks "
        "OpenAI's wire (`openai-compatible`, at the address of its credential), or the built-in `echo`.",
    )
    model: ModelName | None = Field(default=None, description="The model, as the provider calls it.")
    temperature: Temperature | None = Field(
        default=None, description="0 for the likeliest words, more for varied ones. Absent, the provider decides."
    )
    max_tokens: MaxTokens | None = Field(
        default=None, description="The most that one answer of the model may have. Absent, the provider decides."
    )
    credential_ref: CredentialRef | None = Field(
        default=None,
        description="Whose account is asked: a `cred_…` reference of type llm_provider. Absent, it is the platform's.",
    )
    fallbacks: LlmFallbacks = Field(
        default_factory=list[FallbackSpec],
        description="Models that are asked, in this order, where the ones before can't answer.",
    )
    cache_s: CacheSeconds | None = Field(
        default=None,
        description="How long an answer of the model may be given again to the very same request. Absent, never.",
    )


class ToolsSpec(Contract):
    """Which tools the agent may call: `<server>.<tool>` patterns with `*`, or `capability:<name>`; deny wins."""

    allow: Annotated[list[ToolGrant], Field(max_length=100)] = Field(
        default_factory=list[str], description="Tools that it may call. What no pattern names is never called."
    )
    deny: Annotated[list[ToolGrant], Field(max_length=100)] = Field(
        default_factory=list[str], description="Tools that it may not call although `allow` names them."
    )


class MemorySpec(Contract):
    """What the agent remembers, and how much of a conversation its model is shown."""

    scope: MemoryScope = Field(
        default="agent",
        description="Who shares what is remembered: everybody who talks to the `agent`, one `user`, one "
        "`conversation`, or all agents of the `organisation`.",
    )
    semantic: bool = Field(default=True, description="Whether memories are found by meaning, too, or by words alone.")
    window_tokens: Annotated[int, Field(ge=500, le=2_000_000, strict=True)] = Field(
        default=16_000,
        description="The most of a conversation that the model is shown; what is older is summarised.",
    )
    shared: bool = Field(
        default=False,
        description="Whether a user's conversations with the owner's agents that share have one set of pinned facts, "
        "and each other's summaries.",
    )


class LimitsSpec(Contract):
    """What one instance and one run may use."""

    memory_mb: Annotated[int, Field(ge=64, le=8192, strict=True)] = Field(
        default=256,
        description="Memory of the process that it runs in; one that needs more is ended and started again.",
    )
    max_steps: Annotated[int, Field(ge=1, le=100, strict=True)] = Field(
        default=16,
        description="How often the model is asked for one message; each round of tool calls takes another step.",
    )
    timeout_s: Annotated[int, Field(ge=1, le=3600, strict=True)] = Field(
        default=120, description="How long one message may take, tools included."
    )
    cpu: Annotated[float, Field(ge=0.05, le=64, allow_inf_nan=False)] = Field(
        default=1.0, description="Processors that its process may use, on average."
    )
    processes: Annotated[int, Field(ge=8, le=1024, strict=True)] = Field(
        default=64, description="Processes and threads that it may have."
    )
    requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] | None = Field(
        default=None, description="The most messages that it takes in a minute, from everybody. Absent, no bound."
    )
    max_tokens_per_day: Annotated[int, Field(ge=1, le=10**12, strict=True)] | None = Field(
        default=None, description="The most tokens that it may use in a day (UTC). Absent, no bound."
    )
    max_cost_per_day: Money | None = Field(
        default=None, description="The most money that its models and tools may cost in a day (UTC). Absent, no bound."
    )


class RemoteSpec(Contract):
    """An agent that runs elsewhere."""

    protocol: RemoteProtocol = Field(
        description="How it is spoken to: `a2a`, `openai` (chat completions), or `http` (`{text}` in, `{text}` out)."
    )
    url: RemoteUrl = Field(description="Where it is: for `a2a` its agent card, for `openai` the base address.")
    credential_ref: CredentialRef | None = Field(
        default=None, description="What it is shown: a `cred_…` reference. Absent, nothing."
    )


class RuntimeSpec(Contract):
    """What executes the agent."""

    flow: FlowHash | None = Field(
        default=None, description="The stored flow that a Langflow agent is; the platform writes it when it takes one."
    )
    shell: Shell = Field(
        default="Chat",
        validate_default=True,
        description="`Chat`: the platform's own loop of model and tools. `Langflow`: a flow, exported from Langflow. "
        "`Remote`: an agent that runs elsewhere.",
    )
    remote: RemoteSpec | None = Field(
        default=None, validate_default=True, description="Where an agent of the shell `Remote` runs."
    )
    replicas: Replicas = Field(default=1, description="How many processes of it run side by side.")

    @field_validator("shell")
    @classmethod
    def _goes_with_flow(cls, shell: str, info: ValidationInfo) -> str:
        flow = info.data.get("flow")
        if shell == "Langflow" and "flow" in info.data and flow is None:
            raise PydanticCustomError("flow_missing", "names no flow: send the flow itself, as Langflow exports it")
        if shell != "Langflow" and flow is not None:
            raise PydanticCustomError("flow_not_run", "runs no flow: choose 'Langflow', or leave the flow out")
        return shell

    @field_validator("remote")
    @classmethod
    def _goes_with_shell(cls, remote: RemoteSpec | None, info: ValidationInfo) -> RemoteSpec | None:
        shell = info.data.get("shell")
        if shell == "Remote" and remote is None:
            raise PydanticCustomError("remote_missing", "says nothing of where the agent runs: give protocol and url")
        if shell is not None and shell != "Remote" and remote is not None:
            raise PydanticCustomError("remote_not_run", "is for the shell 'Remote' alone: choose it, or leave this out")
        return remote


class MemberSpec(Contract):
    """An agent of a team."""

    agent: AgentName = Field(description="The agent's name; it belongs to whom the team belongs to.")
    role: Annotated[Text, StringConstraints(max_length=500)] = Field(
        default="", description="What it is there for; a team's own model chooses by it."
    )


def _each_once(members: list[MemberSpec]) -> list[MemberSpec]:
    if len({member.agent for member in members}) != len(members):
        raise PydanticCustomError("doubled_member", "must not name an agent twice")
    return members


class TeamSpec(Contract):
    """Agents that answer together."""

    mode: TeamMode = Field(
        description="`pipeline`: each member gets what the one before it answered. `route`: the team's own model gives "
        "the message to one of them. `coordinate`: the team's own model asks them as it needs to, and answers."
    )
    members: Annotated[list[MemberSpec], Field(min_length=1, max_length=16), AfterValidator(_each_once)] = Field(
        description="The agents; a pipeline goes through them in this order."
    )


class AgentSpec(Contract):
    """An agent. The least of it is `name` and `system_prompt`."""

    name: AgentName = Field(description="What it is called and addressed by, once for each owner.")
    system_prompt: Prompt = Field(description="Tells the model who it is and how to behave; kept to the byte.")
    description: Description = Field(default="", description="What it is for, for people who choose among agents.")
    capabilities: Annotated[list[Capability], Field(max_length=50), AfterValidator(_once)] = Field(
        default_factory=lambda: ["chat"], description="What it can do, in words to look for; none twice."
    )
    llm: LlmSpec = Field(default=LlmSpec(), description="Which model answers.")
    tools: ToolsSpec = Field(default=ToolsSpec(), description="Which tools it may call.")
    memory: MemorySpec = Field(default=MemorySpec(), description="What it remembers.")
    limits: LimitsSpec = Field(default=LimitsSpec(), description="What it may use.")
    runtime: RuntimeSpec = Field(default=RuntimeSpec(), description="What executes it.")
    team: TeamSpec | None = Field(default=None, description="The agents that it answers with, where it is a team.")

    @field_validator("team")
    @classmethod
    def _can_work_together(cls, team: TeamSpec | None, info: ValidationInfo) -> TeamSpec | None:
        runtime = info.data.get("runtime")
        if team is not None and runtime is not None and runtime.shell != "Chat":
            raise PydanticCustomError("team_not_run", "is for the shell 'Chat' alone: leave the other shell out")
        if team is not None and any(member.agent == info.data.get("name") for member in team.members):
            raise PydanticCustomError("own_member", "must not have the team itself among its members")
        return team

    @model_validator(mode="before")
    @classmethod
    def _expand_llm_provider(cls, data: Any) -> Any:
        """`llm_provider = "x"` is short for `[llm] provider = "x"` (document 001)."""
        if not isinstance(data, dict) or "llm_provider" not in data:
            return cast("object", data)
        fields = cast("dict[str, Any]", data)
        rest = {key: value for key, value in fields.items() if key != "llm_provider"}
        llm = rest.get("llm", {})
        if not isinstance(llm, dict):
            return rest
        table = cast("dict[str, Any]", llm)
        if "provider" in table and table["provider"] != fields["llm_provider"]:
            raise PydanticCustomError(
                "conflicting_provider", "llm_provider and [llm] provider name different providers; keep one"
            )
        return {**rest, "llm": {**table, "provider": fields["llm_provider"]}}
