"""`POST /internal/completions`: a service asks a model something, in its caller's name."""

from agent_runtime_service.dependencies import CompletionServiceDep, NlCalls
from kgents_shared.contracts.completions import Completion, CompletionRequest
from kgents_shared.http.routing import Router

router = Router(prefix="/internal/completions", include_in_schema=False)


@router.post("")
async def complete(body: CompletionRequest, _: NlCalls, completions: CompletionServiceDep) -> Completion:
    """Ask the model that `llm` chooses; 409 `model_needed` where that is the built-in echo."""
    return await completions.complete(body)
