"""What the runtime calls, on a run's behalf."""

from kgents_shared.contracts.tools import InvokeToolAnswer, InvokeToolRequest, StopCalls, StoppedCalls
from kgents_shared.http.routing import Router
from tool_registry_service.dependencies import RegistryDep, RuntimeOnly

internal_router = Router(prefix="/internal/tools", include_in_schema=False)


@internal_router.post("/invoke", response_model_exclude_none=True)
async def invoke_tool(call: InvokeToolRequest, _: RuntimeOnly, registry: RegistryDep) -> InvokeToolAnswer:
    """Call a tool for an agent. The same idempotency key again gives the stored result, never a second call."""
    return await registry.invocations.invoke(call)


@internal_router.post("/stop")
async def stop_calls(asked: StopCalls, _: RuntimeOnly, registry: RegistryDep) -> StoppedCalls:
    """End the calls of a run that was cancelled, wherever they are made, and say what became of each."""
    return StoppedCalls(calls=tuple(await registry.stopping.stop(asked.run_id)))
