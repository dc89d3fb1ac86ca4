"""Tools that answer as a scenario says."""

import json
from collections.abc import Sequence
from typing import Any

from kgents_shared.contracts.agent_spec import ToolsSpec
from kgents_shared.contracts.tool_patterns import CAPABILITY, decide
from kgents_shared.contracts.worker import ToolCallResult, ToolDefinition
from kgents_shared.scenarios.files import MockedTool, ToolAnswer


class MockedTools:
    """The tools of one case: those that the agent's `[tools]` lets it have."""

    def __init__(self, mocks: Sequence[MockedTool], permitted: ToolsSpec) -> None:
        self._refusals = {
            mock.name: decision.reason
            for mock in mocks
            if not (decision := decide(mock.name, allow=_patterns(permitted.allow), deny=permitted.deny)).allowed
        }
        self._answers = {mock.name: list(mock.answer) for mock in mocks if mock.name not in self._refusals}
        self.definitions = tuple(
            ToolDefinition(name=mock.name, description=mock.description, input_schema=mock.input_schema)
            for mock in mocks
            if mock.name in self._answers
        )
        self.notes: list[str] = []
        self.gaps: list[str] = []

    def answer(self, name: str, arguments: dict[str, Any]) -> ToolCallResult:
        """The result of a call, as the platform would give it.

        `notes` say why a tool isn't there, which may be what a case is about; `gaps` what a mock can't answer, which
        never is.
        """
        if name not in self._answers:
            self.notes.append(self._refusals.get(name) or f"{name} was called and is not mocked")
            return ToolCallResult(content=f"There is no tool named {name} here.", is_error=True)
        left = self._answers[name]
        found = next((one for one in left if _holds(arguments, one.when)), None)
        if found is None:
            self.gaps.append(f"the mock of {name} has no answer for {json.dumps(arguments, ensure_ascii=False)}")
            return ToolCallResult(content="The mocked tool has no answer for these arguments.", is_error=True)
        if found.once:
            left.remove(found)
        return ToolCallResult(content=_text(found), is_error=found.error is not None)


def _patterns(allow: Sequence[str]) -> Sequence[str]:
    """What a capability stands for is known to the server alone: here it is whatever the scenario mocks."""
    return ["*"] if any(pattern.startswith(CAPABILITY) for pattern in allow) else allow


def _holds(arguments: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return all(name in arguments and arguments[name] == value for name, value in wanted.items())


def _text(answer: ToolAnswer) -> str:
    if answer.error is not None:
        return answer.error
    return (
        answer.result if isinstance(answer.result, str) else json.dumps(answer.result, ensure_ascii=False, default=str)
    )
