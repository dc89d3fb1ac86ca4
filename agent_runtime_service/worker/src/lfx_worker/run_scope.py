"""Which run a component works for: a flow's components are called from deep inside of Langflow."""

from contextvars import ContextVar
from dataclasses import dataclass

from kgents_shared.contracts.worker import Message
from lfx_worker.transcript import RunTools


@dataclass(frozen=True, slots=True)
class RunScope:
    """One run. `model_key` is its key at the model port, `earlier` the conversation before what is answered."""

    session_id: str
    model_key: str
    earlier: tuple[Message, ...]
    tools: RunTools


CURRENT_RUN: ContextVar[RunScope] = ContextVar("kgents_run")
