"""What the runtime calls, on a run's behalf."""

from fastapi import APIRouter

from kgents_shared.contracts.tools import InvokeToolAnswer, InvokeToolRequest
from tool_registry_service.dependencies import RegistryDep, RuntimeOnly

internal_router = APIRouter(prefix="/internal/tools", include_in_schema=False)


@internal_router.post("/invoke", response_model_exclude_none=True)
async def invoke_tool(call: InvokeToolRequest, _: RuntimeOnly, registry: RegistryDep) -> InvokeToolAnswer:
    """Call a tool for an agent. The same idempotency key again gives the stored result, never a second call."""
    return await registry.invocations.invoke(call)
