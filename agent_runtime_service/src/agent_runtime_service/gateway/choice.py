"""Which models answer a run, in their order."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kgents_shared.contracts.agent_spec import FallbackSpec, LlmSpec, RemoteSpec
from kgents_shared.contracts.worker import ModelChoice
from kgents_shared.http.vault import CredentialUse


@dataclass(frozen=True, slots=True)
class PlannedModel:
    """A model of a run. Without a `credential` it is the platform's account that is asked.

    Where `remote` is said, it is an agent that runs elsewhere.
    """

    choice: ModelChoice
    credential: CredentialUse | None = None
    remote: RemoteSpec | None = None


@dataclass(frozen=True, slots=True)
class ModelDefaults:
    """What the platform takes where a spec says nothing; `models` are those of providers that have one of their own."""

    provider: str
    model: str
    models: Mapping[str, str] = field(default_factory=dict[str, str])

    def choose(self, llm: LlmSpec) -> ModelChoice:
        """The first model of a run of this spec, with the defaults put in."""
        provider = llm.provider or ("openai" if llm.credential_ref else self.provider)
        return self._choice(provider, llm.model, llm)

    def planned(self, llm: LlmSpec, owner_id: str) -> tuple[PlannedModel, ...]:
        """That model and its fallbacks; `owner_id` is the agent's, whose credentials they are."""
        first = PlannedModel(self.choose(llm), _use(llm, owner_id))
        others = (
            PlannedModel(self._choice(spec.provider, spec.model, llm), _use(spec, owner_id)) for spec in llm.fallbacks
        )
        return (first, *others)

    def _choice(self, provider: str, model: str | None, llm: LlmSpec) -> ModelChoice:
        name = model or ("echo" if provider == "echo" else self.models.get(provider, self.model))
        return ModelChoice(provider=provider, model=name, temperature=llm.temperature, max_tokens=llm.max_tokens)


def _use(spec: LlmSpec | FallbackSpec, owner_id: str) -> CredentialUse | None:
    return CredentialUse(spec.credential_ref, owner_id) if spec.credential_ref else None
