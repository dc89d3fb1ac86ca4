"""Answers in a form that the caller asked for: told to the model, checked here, where a schema can harm nobody else.

An agent has other callers, though: a schema whose patterns or references never come to an end is let go.
"""

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

import orjson

from agent_worker.failures import RunFailed

_MOST_TOLD = 5
_MOST_CHARS = 300
_FENCES = ("```json", "```")
_WITHIN_S = 0.25


class AnswerForm:
    """The JSON Schema of a run's answer."""

    def __init__(self, schema: dict[str, Any]) -> None:
        # Only who is asked for a form needs the library.
        from jsonschema import Draft202012Validator  # noqa: PLC0415
        from referencing import Registry  # noqa: PLC0415

        self._schema = schema
        self._validator = Draft202012Validator(schema, registry=Registry())

    @property
    def asked(self) -> dict[str, Any]:
        """`response_format` on OpenAI's wire, which every provider's class understands."""
        strict = _is_strict(self._schema)
        return {"type": "json_schema", "json_schema": {"name": "answer", "strict": strict, "schema": self._schema}}

    @property
    def told(self) -> str:
        """The same in words: not every server knows the other way."""
        schema = orjson.dumps(self._schema).decode()
        return f"Answer with JSON alone, nothing before it and nothing after it. It must fit this JSON Schema: {schema}"

    def read(self, text: str) -> tuple[str, list[str]]:
        """The JSON text in an answer, and what is wrong with it."""
        stripped = text.strip()
        for fence in _FENCES:
            if stripped.startswith(fence) and stripped.endswith("```"):
                stripped = stripped[len(fence) : -3].strip()
                break
        try:
            document = orjson.loads(stripped)
        except orjson.JSONDecodeError as error:
            return text, [f"It is not JSON: {error}"[:_MOST_CHARS]]
        try:
            with _ended_after(_WITHIN_S):
                faults = [
                    f"{fault.json_path}: {fault.message}"[:_MOST_CHARS]
                    for _, fault in zip(range(_MOST_TOLD), self._validator.iter_errors(document), strict=False)
                ]
        except (TimeoutError, RecursionError) as error:
            sentence = "The answer can't be held against its schema: that comes to no end."
            raise RunFailed("answer_unchecked", sentence, status=422) from error
        return stripped, faults

    @staticmethod
    def again(faults: list[str]) -> str:
        """What the model is told of an answer that doesn't fit."""
        listed = "\n".join(f"- {fault}" for fault in faults)
        return f"Your answer does not have the form that was asked for:\n{listed}\nAnswer again, with that JSON alone."

    @staticmethod
    def failed(faults: list[str]) -> RunFailed:
        """The run ends: it was asked for twice."""
        return RunFailed("answer_misformed", f"The model's answer has not the form that was asked for. {faults[0]}")


@contextmanager
def _ended_after(seconds: float) -> Generator[None]:
    """Raise `TimeoutError` in what takes longer, in the middle of a regular expression, too.

    A worker's loop is its main thread; in another one, which somebody's test may have, no signal comes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(_: int, __: FrameType | None) -> NoReturn:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, end)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _is_strict(schema: Any) -> bool:
    """Whether every object in it is closed and asks for all of its properties, which OpenAI's strict mode demands."""
    if isinstance(schema, list):
        return all(_is_strict(part) for part in schema)
    if not isinstance(schema, dict):
        return True
    properties = schema.get("properties")
    if schema.get("type") == "object" or isinstance(properties, dict):
        names = set(properties) if isinstance(properties, dict) else set()
        if schema.get("additionalProperties") is not False or set(schema.get("required", ())) != names:
            return False
    return all(_is_strict(part) for part in schema.values())
