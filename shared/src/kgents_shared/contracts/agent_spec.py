"""`AgentSpec`: the one definition that every form of an agent compiles to (DESIGN §4).

A field enters the spec with the part that enforces it; until then it is refused as unknown.
"""

from typing import Annotated, Any, Literal, Self, cast

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from kgents_shared.contracts.model import Contract
from kgents_shared.contracts.path_table import RESERVED_AGENT_NAMES, parses_as_uuid

MAX_PROMPT_CHARS = 65_536
Provider = Literal["openai", "echo"]


def _storable(text: str) -> str:
    """Refuse what PostgreSQL and UTF-8 can't hold: NUL and lone surrogates."""
    if "\x00" in text:
        raise PydanticCustomError("nul_character", "must not contain a NUL character")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise PydanticCustomError("lone_surrogate", "must not contain a lone surrogate")
    return text


def _free_name(name: str) -> str:
    if name in RESERVED_AGENT_NAMES or parses_as_uuid(name):
        raise PydanticCustomError("reserved_name", "is a reserved name; choose another")
    return name


Text = Annotated[str, AfterValidator(_storable)]
ModelName = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_storable)]
Prompt = Annotated[str, StringConstraints(min_length=1, max_length=MAX_PROMPT_CHARS), AfterValidator(_storable)]
Description = Annotated[str, StringConstraints(max_length=2000), AfterValidator(_storable)]
AgentName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", max_length=63),
    AfterValidator(_free_name),
]
Capability = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$")]
ToolPattern = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_*-]+(\.[A-Za-z0-9_*-]+)*$", max_length=128)]


class LlmSpec(Contract):
    """Which model answers. `provider` and `model` absent mean the platform's default when a run starts."""

    provider: Provider | None = None
    model: ModelName | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] | None = None


class ToolsSpec(Contract):
    """Which tools the agent may call, as `<server>.<tool>` patterns with `*`; deny wins."""

    allow: Annotated[list[ToolPattern], Field(max_length=100)] = Field(default_factory=list[str])
    deny: Annotated[list[ToolPattern], Field(max_length=100)] = Field(default_factory=list[str])


class LimitsSpec(Contract):
    """What one instance and one run may use."""

    memory_mb: Annotated[int, Field(ge=64, le=8192, strict=True)] = 256
    max_steps: Annotated[int, Field(ge=1, le=100, strict=True)] = 16
    timeout_s: Annotated[int, Field(ge=1, le=3600, strict=True)] = 120


class RuntimeSpec(Contract):
    """What executes the agent."""

    shell: Literal["Chat"] = "Chat"


class AgentSpec(Contract):
    """An agent. The least of it is `name` and `system_prompt`."""

    name: AgentName
    system_prompt: Prompt
    description: Description = ""
    capabilities: Annotated[list[Capability], Field(max_length=50)] = Field(default_factory=lambda: ["chat"])
    llm: LlmSpec = LlmSpec()
    tools: ToolsSpec = ToolsSpec()
    limits: LimitsSpec = LimitsSpec()
    runtime: RuntimeSpec = RuntimeSpec()

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

    @model_validator(mode="after")
    def _capabilities_once(self) -> Self:
        if len(set(self.capabilities)) != len(self.capabilities):
            raise PydanticCustomError("doubled_capability", "capabilities must not name one twice")
        return self
