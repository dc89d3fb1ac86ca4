"""What the runtime calls, on a run's behalf."""

from fastapi import APIRouter

from kgents_shared.contracts.tools import InvokeToolRequest
from kgents_shared.contracts.worker import ToolCallResult
from tool_registry_service.dependencies import RegistryDep, RuntimeOnly

internal_router = APIRouter(prefix="/internal/tools", include_in_schema=False)


@internal_router.post("/invoke")
async def invoke_tool(call: InvokeToolRequest, _: RuntimeOnly, registry: RegistryDep) -> ToolCallResult:
    """Call a tool for an agent. The same idempotency key again gives the stored result, never a second call."""
    return await registry.invocations.invoke(call)
