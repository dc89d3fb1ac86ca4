"""`AgentSpec`: the one definition that every form of an agent compiles to (DESIGN §4).

A field enters the spec with the part that enforces it; until then it is refused as unknown.
"""

import re
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from kgents_shared.contracts.credentials import CredentialRef
from kgents_shared.contracts.model import Contract
from kgents_shared.contracts.path_table import RESERVED_AGENT_NAMES, parses_as_uuid

_SURROGATE = re.compile("[\ud800-\udfff]")
MAX_PROMPT_CHARS = 65_536
Provider = Literal["openai", "echo"]
Shell = Literal["Chat", "Langflow"]


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


class LlmSpec(Contract):
    """Which model answers. `provider` and `model` absent mean the platform's default when a run starts."""

    provider: Provider | None = Field(
        default=None, description="Who answers: `openai` or any server that speaks its wire, or the built-in `echo`."
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


class ToolsSpec(Contract):
    """Which tools the agent may call: `<server>.<tool>` patterns with `*`, or `capability:<name>`; deny wins."""

    allow: Annotated[list[ToolGrant], Field(max_length=100)] = Field(
        default_factory=list[str], description="Tools that it may call. What no pattern names is never called."
    )
    deny: Annotated[list[ToolGrant], Field(max_length=100)] = Field(
        default_factory=list[str], description="Tools that it may not call although `allow` names them."
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


class RuntimeSpec(Contract):
    """What executes the agent."""

    flow: FlowHash | None = Field(
        default=None, description="The stored flow that a Langflow agent is; the platform writes it when it takes one."
    )
    shell: Shell = Field(
        default="Chat",
        validate_default=True,
        description="`Chat`: the platform's own loop of model and tools. `Langflow`: a flow, exported from Langflow.",
    )

    @field_validator("shell")
    @classmethod
    def _goes_with_flow(cls, shell: str, info: ValidationInfo) -> str:
        flow = info.data.get("flow")
        if shell == "Langflow" and "flow" in info.data and flow is None:
            raise PydanticCustomError("flow_missing", "names no flow: send the flow itself, as Langflow exports it")
        if shell == "Chat" and flow is not None:
            raise PydanticCustomError("flow_not_run", "runs no flow: choose 'Langflow', or leave the flow out")
        return shell


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
    limits: LimitsSpec = Field(default=LimitsSpec(), description="What one instance and one message may use.")
    runtime: RuntimeSpec = Field(default=RuntimeSpec(), description="What executes it.")

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
