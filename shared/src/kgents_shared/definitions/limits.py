"""What the operator of a platform lets definitions ask for."""

from dataclasses import dataclass

from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.errors import FaultItem, InvalidInput


@dataclass(frozen=True, slots=True)
class SystemLimits:
    """The most that a definition may ask for, and which providers it may name. None bounds nothing.

    `flow_code`: Langflow's flows may bring code of their authors.
    """

    memory_mb: int | None = None
    max_steps: int | None = None
    timeout_s: int | None = None
    max_tokens: int | None = None
    providers: tuple[str, ...] | None = None
    flow_code: bool = False


def beyond_limits(spec: AgentSpec, limits: SystemLimits) -> list[FaultItem]:
    """A fault for each thing that a spec asks for and this platform doesn't give."""
    asked = (
        (("limits", "memory_mb"), spec.limits.memory_mb, limits.memory_mb),
        (("limits", "max_steps"), spec.limits.max_steps, limits.max_steps),
        (("limits", "timeout_s"), spec.limits.timeout_s, limits.timeout_s),
        (("llm", "max_tokens"), spec.llm.max_tokens, limits.max_tokens),
    )
    faults = [
        FaultItem(loc, f"is {value}, more than this platform gives", "over_system_limit", f"choose {most} or less")
        for loc, value, most in asked
        if value is not None and most is not None and value > most
    ]
    provider = spec.llm.provider
    if provider is not None and limits.providers is not None and provider not in limits.providers:
        open_here = " or ".join(f"'{name}'" for name in limits.providers)
        hint = f"choose {open_here}, or leave it out" if open_here else "leave it out"
        faults.append(FaultItem(("llm", "provider"), "is closed on this platform", "provider_closed", hint))
    return faults


def refuse_beyond(spec: AgentSpec, limits: SystemLimits) -> None:
    """Raise `InvalidInput` for a spec, wherever it came from, that asks for more than this platform gives."""
    faults = beyond_limits(spec, limits)
    if faults:
        raise InvalidInput(
            "The definition asks for more than this platform gives; each is listed in errors.", errors=faults
        )
