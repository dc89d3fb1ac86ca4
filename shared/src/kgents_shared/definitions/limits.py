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
    cpu: float | None = None
    processes: int | None = None
    replicas: int | None = None
    providers: tuple[str, ...] | None = None
    flow_code: bool = False


def beyond_limits(spec: AgentSpec, limits: SystemLimits) -> list[FaultItem]:
    """A fault for each thing that a spec asks for and this platform doesn't give."""
    asked = (
        (("limits", "memory_mb"), spec.limits.memory_mb, limits.memory_mb),
        (("limits", "max_steps"), spec.limits.max_steps, limits.max_steps),
        (("limits", "timeout_s"), spec.limits.timeout_s, limits.timeout_s),
        (("llm", "max_tokens"), spec.llm.max_tokens, limits.max_tokens),
        (("limits", "cpu"), spec.limits.cpu, limits.cpu),
        (("limits", "processes"), spec.limits.processes, limits.processes),
        (("runtime", "replicas"), spec.runtime.replicas, limits.replicas),
    )
    faults = [
        FaultItem(loc, f"is {value}, more than this platform gives", "over_system_limit", f"choose {most} or less")
        for loc, value, most in asked
        if value is not None and most is not None and value > most
    ]
    return faults + _closed_providers(spec, limits.providers)


def _closed_providers(spec: AgentSpec, open_here: tuple[str, ...] | None) -> list[FaultItem]:
    if open_here is None:
        return []
    named: list[tuple[tuple[str | int, ...], str | None]] = [(("llm", "provider"), spec.llm.provider)]
    for place, fallback in enumerate(spec.llm.fallbacks):
        named.append((("llm", "fallbacks", place, "provider"), fallback.provider))
    listed = " or ".join(f"'{name}'" for name in open_here)
    hint = f"choose {listed}, or leave it out" if listed else "leave it out"
    return [
        FaultItem(loc, "is closed on this platform", "provider_closed", hint)
        for loc, provider in named
        if provider is not None and provider not in open_here
    ]


def refuse_beyond(spec: AgentSpec, limits: SystemLimits) -> None:
    """Raise `InvalidInput` for a spec, wherever it came from, that asks for more than this platform gives."""
    faults = beyond_limits(spec, limits)
    if faults:
        raise InvalidInput(
            "The definition asks for more than this platform gives; each is listed in errors.", errors=faults
        )
