"""What stands for the model of an agent that runs elsewhere."""

from typing import Final

from agent_runtime_service.gateway.choice import PlannedModel
from agent_runtime_service.gateway.faults import REMOTE
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.worker import ModelChoice
from kgents_shared.http.vault import CredentialUse

_MOST_NAME: Final = 200


def remote_models(spec: AgentSpec, owner_id: str) -> tuple[PlannedModel, ...] | None:
    """The one that is asked for an agent of the shell `Remote`; None for any other."""
    remote = spec.runtime.remote
    if remote is None:
        return None
    # What speaks chat completions is asked for a model by name: that of the definition, or the agent's own.
    name = (spec.llm.model or spec.name) if remote.protocol == "openai" else remote.url[:_MOST_NAME]
    choice = ModelChoice(provider=REMOTE, model=name, temperature=spec.llm.temperature, max_tokens=spec.llm.max_tokens)
    use = CredentialUse(remote.credential_ref, owner_id) if remote.credential_ref else None
    return (PlannedModel(choice, use, remote),)
