"""The models of a run in their order: the next one is asked where one can't answer."""

from collections.abc import AsyncIterator
from typing import Any, Final

from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk

from agent_worker.door import RunDoor
from agent_worker.failures import RunFailed
from agent_worker.logs import write_log
from agent_worker.provider_model import PiecesModel, model_of
from agent_worker.tool_names import ToolNames
from kgents_shared.contracts.worker import ModelChoice, RunRequest

# Of these another model knows nothing. Others, such as an exhausted budget, hold for all of a run's models.
_OF_ONE_MODEL: Final = ("provider_", "credential_", "context_too_long", "bad_model_request")
_OF_THE_RUN: Final = frozenset({"provider_not_allowed"})


class Models:
    """Asks the run's model, and after `turn_to_next` the fallback, which then answers the rest of the run."""

    def __init__(self, run: RunRequest, door: RunDoor, names: ToolNames) -> None:
        self._choices = (run.llm, *run.fallbacks)
        self._door = door
        self._names = names
        self._place = 0
        self._model = self._open()

    @property
    def choice(self) -> ModelChoice:
        """Who is asked now."""
        return self._choices[self._place]

    def pieces(
        self, messages: list[BaseMessage], tools: list[dict[str, Any]], **options: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        """See `PiecesModel.pieces`."""
        return self._model.pieces(messages, tools, **options)

    def turn_to_next(self, failed: RunFailed) -> bool:
        """Whether there is a model left that may answer what this one could not; it is asked from now on."""
        if self._place + 1 == len(self._choices):
            return False
        if not failed.code.startswith(_OF_ONE_MODEL) or failed.code in _OF_THE_RUN:
            return False
        self._place += 1
        self._model = self._open()
        choice = self.choice
        write_log("warning", "fallback_asked", provider=choice.provider, model=choice.model, because=failed.code)
        return True

    def _open(self) -> PiecesModel:
        return model_of(self.choice, self._place, self._door, self._names)
