"""What a scenario file says (docs/testing-agents.md)."""

import re
from decimal import Decimal
from typing import Annotated, Any, Literal, Self, cast

from pydantic import AfterValidator, Field, StringConstraints, field_validator, model_validator
from pydantic_core import PydanticCustomError

from kgents_shared.contracts.agent_spec import Text, ToolPattern
from kgents_shared.contracts.model import Contract

ToolName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$", max_length=128)]
Line = Annotated[Text, Field(min_length=1, max_length=200)]
Count = Annotated[int, Field(ge=0, strict=True)]


def _amount(text: str) -> str:
    if re.fullmatch(r"\d{1,9}(\.\d{1,12})?", text) is None:
        raise PydanticCustomError("not_an_amount", 'must be an amount of US dollars as text, such as "0.25"')
    return text


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise PydanticCustomError("bad_expression", "is no regular expression: {why}", {"why": str(error)}) from error
    return text


Amount = Annotated[str, AfterValidator(_amount)]
Expression = Annotated[str, AfterValidator(_expression)]


class Prices(Contract):
    """US dollars for a million tokens."""

    prompt: Amount
    completion: Amount

    def cost(self, prompt_tokens: int, completion_tokens: int) -> Decimal:
        """What so many tokens cost."""
        spent = prompt_tokens * Decimal(self.prompt) + completion_tokens * Decimal(self.completion)
        return spent / 1_000_000


class ToolAnswer(Contract):
    """What a mocked tool answers when the call's arguments hold all of `when`; `once` answers a single call."""

    when: dict[str, Any] = Field(default_factory=dict[str, Any])
    result: Any = None
    error: str | None = None
    once: bool = False

    @model_validator(mode="after")
    def _is_one_answer(self) -> Self:
        if (self.result is None) == (self.error is None):
            raise PydanticCustomError("one_answer", "must have one of result and error")
        return self


class MockedTool(Contract):
    """A tool that answers by itself. `result` or `error` is short for one answer to every call."""

    name: ToolName
    description: Text = ""
    input_schema: dict[str, Any] = Field(default_factory=lambda: {"type": "object"})
    answer: Annotated[list[ToolAnswer], Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _expand_answer(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return cast("object", data)
        fields = cast("dict[str, Any]", data)
        short = {key: fields[key] for key in ("result", "error") if key in fields}
        if short and "answer" not in fields:
            return {**{key: value for key, value in fields.items() if key not in short}, "answer": [short]}
        return fields


class Call(Contract):
    """A tool call: one that a scripted model makes, or one that is expected to have these arguments among its own."""

    tool: ToolName
    arguments: dict[str, Any] = Field(default_factory=dict[str, Any])

    @model_validator(mode="before")
    @classmethod
    def _expand_name(cls, data: Any) -> Any:
        return {"tool": data} if isinstance(data, str) else cast("object", data)


class Tokens(Contract):
    """What a model's answer is counted as."""

    prompt: Count
    completion: Count


class Reply(Contract):
    """One answer of a scripted model: text, or calls, or both. `call` and `arguments` are short for one of `calls`."""

    text: Text = ""
    calls: list[Call] = Field(default_factory=list[Call])
    tokens: Tokens | None = None
    times: Annotated[int, Field(ge=1, le=200, strict=True)] = 1

    @model_validator(mode="before")
    @classmethod
    def _expand_short_forms(cls, data: Any) -> Any:
        if isinstance(data, str):
            return {"text": data}
        if not isinstance(data, dict) or "call" not in data or "calls" in data:
            return cast("object", data)
        fields = dict(cast("dict[str, Any]", data))
        call = {"tool": fields.pop("call")}
        if "arguments" in fields:
            call["arguments"] = fields.pop("arguments")
        return {**fields, "calls": [call]}

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.text and not self.calls:
            raise PydanticCustomError("empty_reply", "must have text, a call or calls")
        return self


class Expectations(Contract):
    """What must hold after a turn. What is left out is not looked at; a failed run fails the case unless `fails`."""

    text: Text | None = None
    contains: list[Text] = Field(default_factory=list[str])
    lacks: list[Text] = Field(default_factory=list[str])
    matches: Expression | None = None
    calls: list[Call] | None = None
    calls_in_order: list[ToolName] = Field(default_factory=list[str])
    never_calls: list[ToolPattern] = Field(default_factory=list[str])
    offered: list[ToolName] | None = None
    model_saw: list[Text] = Field(default_factory=list[str])
    steps: Count | None = None
    max_steps: Count | None = None
    max_tokens: Count | None = None
    max_cost: Amount | None = None
    fails: str | None = None


class Turn(Contract):
    """A message of the user's, what the scripted model answers to it, and what must hold after it."""

    user: Annotated[Text, Field(min_length=1)]
    replies: list[Reply] = Field(default_factory=list[Reply])
    expect: Expectations = Expectations()


class Case(Contract):
    """A conversation of its own. Its tools stand before those of the file."""

    name: Line
    model: Literal["scripted", "real"] = "scripted"
    tool: list[MockedTool] = Field(default_factory=list[MockedTool])
    turn: Annotated[list[Turn], Field(min_length=1)]

    @field_validator("tool")
    @classmethod
    def _tools_once(cls, tools: list[MockedTool]) -> list[MockedTool]:
        return _each_once(tools)

    @model_validator(mode="after")
    def _model_and_replies_agree(self) -> Self:
        for number, turn in enumerate(self.turn, 1):
            # An empty list is said on purpose: a pipeline asks no model.
            if self.model == "scripted" and "replies" not in turn.model_fields_set:
                raise PydanticCustomError(
                    "no_replies", 'turn {number} needs replies, or the case model = "real"', {"number": number}
                )
            if self.model == "real" and turn.replies:
                raise PydanticCustomError(
                    "replies_of_a_real_model",
                    "turn {number} scripts replies, and its model is real",
                    {"number": number},
                )
        return self


class Scenarios(Contract):
    """A scenario file. `agent` is the definition that it tests, relative to the file."""

    agent: str | None = None
    prices: Prices | None = None
    tool: list[MockedTool] = Field(default_factory=list[MockedTool])
    case: Annotated[list[Case], Field(min_length=1)]

    @field_validator("tool")
    @classmethod
    def _tools_once(cls, tools: list[MockedTool]) -> list[MockedTool]:
        return _each_once(tools)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        names = [case.name for case in self.case]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise PydanticCustomError("doubled_case", 'two cases are named "{name}"', {"name": twice})
        costs = any(turn.expect.max_cost is not None for case in self.case for turn in case.turn)
        if costs and self.prices is None:
            raise PydanticCustomError("no_prices", "max_cost needs [prices] with prompt and completion")
        return self

    def tools_of(self, case: Case) -> list[MockedTool]:
        """The mocks of a case: its own, and those of the file that it doesn't replace."""
        own = {tool.name for tool in case.tool}
        return [*case.tool, *(tool for tool in self.tool if tool.name not in own)]


def _each_once(tools: list[MockedTool]) -> list[MockedTool]:
    names = [tool.name for tool in tools]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise PydanticCustomError("doubled_tool", 'the tool "{name}" is mocked twice', {"name": twice})
    return tools
