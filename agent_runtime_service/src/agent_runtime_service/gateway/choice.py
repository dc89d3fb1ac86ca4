"""Which model answers a run."""

from dataclasses import dataclass

from kgents_shared.contracts.agent_spec import LlmSpec
from kgents_shared.contracts.worker import ModelChoice


@dataclass(frozen=True, slots=True)
class ModelDefaults:
    """What the platform takes where a spec says nothing."""

    provider: str
    model: str

    def choose(self, llm: LlmSpec) -> ModelChoice:
        """The model of a run of this spec, with the defaults put in."""
        provider = llm.provider or ("openai" if llm.credential_ref else self.provider)
        model = llm.model or ("echo" if provider == "echo" else self.model)
        return ModelChoice(provider=provider, model=model, temperature=llm.temperature, max_tokens=llm.max_tokens)


def default_provider(key: str | None, base_url: str | None) -> str:
    """Who answers by default: a real model where a setting says how to reach one."""
    return "openai" if key or base_url else "echo"
