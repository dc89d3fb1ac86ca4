"""The entry: `agent_worker.main` for agents that are flows.

Importing this imports lfx and what its model components need, which takes seconds, and starts nothing.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from agent_worker.conversation import Conversation
from agent_worker.door import RunDoor
from agent_worker.failures import RunFailed
from agent_worker.logs import write_log
from agent_worker.loop import Answer, Emit
from agent_worker.main import serve_as
from agent_worker.window import ContextWindow, TokenGauge
from kgents_shared.contracts.worker import FinalEvent, RunRequest, WorkerConfig
from kgents_shared.remembering import FACTS_SHARE
from lfx_worker import langflow
from lfx_worker.heartbeat import ended_when_stuck
from lfx_worker.model_port import ModelPort, ModelUse
from lfx_worker.run_scope import CURRENT_RUN, RunScope
from lfx_worker.transcript import RunTools

_SHOWN_CHARS = 500


def serve(config: WorkerConfig) -> None:
    """Serve the flow of `config` as `agent_worker.main.serve` serves a chat agent."""
    serve_as(config, _flow)


@asynccontextmanager
async def _flow(config: WorkerConfig, gauge: TokenGauge) -> AsyncGenerator[Answer]:
    """Ready once the flow has been read by lfx: one that can't be is no healthy worker."""
    flow = config.flow
    if flow is None:
        raise ValueError("the configuration has no flow")
    port = ModelPort()
    async with ended_when_stuck(), port.open():
        langflow.take_over_lfx(port.base_url)
        await langflow.graph_of(flow)

        async def answer(run: RunRequest, door: RunDoor, emit: Emit) -> FinalEvent:
            return await _answer(flow, port, run, door, gauge)

        yield answer


async def _answer(
    flow: dict[str, Any], port: ModelPort, run: RunRequest, door: RunDoor, gauge: TokenGauge
) -> FinalEvent:
    """One message through the flow, from its beginning; lfx gives the answer whole, so nothing is told before.

    A flow is shown what fits the agent's window, like a model: what doesn't is dropped, since which of its models is to
    summarise is not known.
    """
    conversation = Conversation(run.messages, run.remembered, run.window_tokens // FACTS_SHARE)
    await ContextWindow(conversation, run.window_tokens, door, gauge, None).fit()
    shown = conversation.shown()
    place = max(place for place, message in enumerate(shown) if message.role == "user")
    session_id = str(run.conversation_id)
    tools = RunTools(run, door)
    async with port.used_by(ModelUse(door, run.llm.provider, run.max_steps)) as use:
        CURRENT_RUN.set(RunScope(session_id, use.key, tuple(shown[:place]), tools))
        try:
            graph = await langflow.graph_of(flow)
            given = await langflow.answer_of(graph, shown[place].text, session_id)
        except Exception as error:
            failure = use.failure or tools.failure
            if failure is not None:
                raise failure from error
            write_log("warning", "flow_failed", run_id=str(run.run_id), error=repr(error))
            told = " ".join(str(error).split())[:_SHOWN_CHARS]
            raise RunFailed("flow_failed", f"The flow failed: {told}") from error
    if not given:
        raise RunFailed("flow_failed", "The flow came to its end, and no Chat Output of it gave an answer.")
    return FinalEvent(text="\n\n".join(given))
