"""Functions that a caller carries out: offered with a request, called at the end of a run."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import Field, StringConstraints

from kgents_shared.contracts.agent_spec import Text
from kgents_shared.contracts.json_values import JsonObject
from kgents_shared.contracts.model import Contract
from kgents_shared.contracts.worker import ToolCall, ToolDefinition
from kgents_shared.errors import FaultItem, InvalidInput

MOST_FUNCTIONS: Final = 64
FunctionName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
# Whether it calls one is the agent's to say.
ToolChoice = Literal["auto", "none"]


class Function(Contract):
    """What it is called, what it does and what it takes."""

    name: FunctionName
    description: Annotated[Text, Field(max_length=4096)] | None = None
    parameters: JsonObject | None = None
    strict: bool | None = None


class ChatTool(Contract):
    """A function as chat completions offer it."""

    type: Literal["function"]
    function: Function


class ResponseTool(Function):
    """A function as responses offer it."""

    type: Literal["function"]


def offered(tools: Sequence[ChatTool | ResponseTool] | None, choice: ToolChoice | None) -> tuple[ToolDefinition, ...]:
    """The functions of a request. Raises `InvalidInput` for two of one name."""
    if choice == "none":
        return ()
    functions = [tool.function if isinstance(tool, ChatTool) else tool for tool in tools or ()]
    names = [function.name for function in functions]
    if len(set(names)) != len(names):
        fault = FaultItem(("body", "tools"), "has two functions of one name", "doubled_function")
        raise InvalidInput("The request can't be taken.", errors=[fault])
    return tuple(
        ToolDefinition(
            name=function.name,
            description=function.description or "",
            input_schema=function.parameters or {"type": "object", "properties": {}},
        )
        for function in functions
    )


def called_in_chat(calls: Iterable[ToolCall]) -> list[dict[str, Any]]:
    """Calls as a chat completion tells them."""
    return [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": _arguments(call)}}
        for call in calls
    ]


def called_in_response(calls: Iterable[ToolCall]) -> list[dict[str, Any]]:
    """Calls as items of a response."""
    return [
        {
            "id": f"fc_{call.id}",
            "type": "function_call",
            "status": "completed",
            "call_id": call.id,
            "name": call.name,
            "arguments": _arguments(call),
        }
        for call in calls
    ]


def _arguments(call: ToolCall) -> str:
    return orjson.dumps(call.arguments).decode()
