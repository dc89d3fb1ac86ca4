"""`POST /internal/agents/ask`: an agent's question to another agent, through the tool `ask_agent`."""

from agent_runtime_service.dependencies import AskingDep, ToolsCalls
from kgents_shared.contracts.asking import AskAgent, AskedAnswer
from kgents_shared.http.routing import Router

router = Router(prefix="/internal/agents", include_in_schema=False)


@router.post("/ask")
async def ask_agent(question: AskAgent, _: ToolsCalls, asking: AskingDep) -> AskedAnswer:
    """Ask an agent of the same owner and wait for what becomes of it; 409 `agent_loop` where it is asked for itself."""
    return await asking.ask(question)
