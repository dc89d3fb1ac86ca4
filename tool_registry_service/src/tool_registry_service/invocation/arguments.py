"""Checking a call's arguments against a tool's schema, which a stranger wrote.

JSON Schema can ask for endless work: patterns that backtrack, references that multiply. So patterns are left to the
tool itself, references stay within the schema, and a check does a bounded number of steps. A step over a large value
costs more of them: each fault quotes its value whole, also where `anyOf` finds thousands that nobody reads.
"""

from collections.abc import Callable, Generator, Mapping
from contextvars import ContextVar
from functools import cache
from typing import Any, cast

from jsonschema import Draft202012Validator, SchemaError, ValidationError, validators
from jsonschema.protocols import Validator
from referencing import Registry
from referencing.exceptions import Unresolvable

from tool_registry_service.errors import SchemaTooComplex

_MAX_STEPS = 20_000
_MAX_DEPTH = 32
_MAX_FAULTS = 5
_MAX_MESSAGE = 300
_MAX_UNIQUE_ITEMS = 500
_CHARS_PER_STEP = 1024
# Those that match regular expressions of the schema's author against the caller's text.
_UNCHECKED = frozenset({"pattern", "patternProperties", "format"})
_AFTER_PATTERNS = frozenset({"additionalProperties", "unevaluatedProperties"})
_steps_left: ContextVar["_Budget"] = ContextVar("steps_left")

Keyword = Callable[[Any, Any, Any, Any], Generator[ValidationError] | None]


class _Budget:
    """The steps that a check has left, and what a step over each value of schema and arguments costs."""

    def __init__(self, schema: Mapping[str, Any], value: Any) -> None:
        self._left = _MAX_STEPS
        self._chars: dict[int, int] = {}
        self._measure(schema)
        self._measure(value)

    def take(self, *values: Any) -> None:
        """One step over `values`; raises `SchemaTooComplex` where none is left."""
        self._left -= 1 + sum(self._chars.get(id(value), 0) for value in values) // _CHARS_PER_STEP
        if self._left < 0:
            raise SchemaTooComplex("The tool's schema asks for more work than a check may do.")

    def _measure(self, value: Any) -> int:
        """About how long the value is when it is quoted."""
        if isinstance(value, str):
            chars = len(value)
        elif isinstance(value, Mapping):
            entries = cast("Mapping[str, Any]", value)
            chars = sum(self._measure(name) + self._measure(entry) for name, entry in entries.items())
        elif isinstance(value, list):
            chars = sum(map(self._measure, cast("list[Any]", value)))
        else:
            return 8
        if chars >= _CHARS_PER_STEP:
            self._chars[id(value)] = chars
        return chars + 4


def schema_fault(schema: dict[str, Any], of: str = "input") -> str | None:
    """Why a tool's schema (`of` its input or output) can't be taken, or None."""
    if _depth(schema) > _MAX_DEPTH:
        return f"has an {of} schema nested over {_MAX_DEPTH} deep"
    if schema.get("type", "object") != "object":
        return f"has an {of} schema that isn't one of an object"
    try:
        validators.validator_for(schema, default=Draft202012Validator).check_schema(schema)
    except SchemaError as error:
        return f"has an {of} schema that isn't valid: {error.message[:200]}"
    except RecursionError:
        return f"has an {of} schema without end"
    return None


def faults_in(schema: Mapping[str, Any], value: Any, called: str) -> list[str]:
    """What is wrong with `value`, which is `called` so, in sentences for a model; empty where nothing is.

    Raises:
        SchemaTooComplex: the schema asks for more work than a check may do, or can't be followed.
    """
    checked = _bounded(validators.validator_for(schema, default=Draft202012Validator))
    try:
        token = _steps_left.set(_Budget(schema, value))
    except RecursionError as error:
        raise SchemaTooComplex(f"The {called} are nested too deep for a check.") from error
    try:
        faults: list[str] = []
        for error in checked(schema, registry=Registry()).iter_errors(value):
            place = "/".join(str(part) for part in error.absolute_path)
            faults.append(f"{place or called}: {_shortened(error.message)}")
            if len(faults) == _MAX_FAULTS:
                break
        return faults
    except (Unresolvable, RecursionError) as error:
        raise SchemaTooComplex("The tool's schema can't be followed.") from error
    finally:
        _steps_left.reset(token)


def _shortened(message: str) -> str:
    """A message begins with the value, of any length, and ends with what is wrong with it."""
    return (
        message if len(message) <= _MAX_MESSAGE else f"{message[: _MAX_MESSAGE // 3]}…{message[-_MAX_MESSAGE // 3 :]}"
    )


def argument_faults(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> list[str]:
    """What is wrong with a call's arguments. Raises `SchemaTooComplex`."""
    return faults_in(schema, arguments, "arguments")


@cache
def _bounded(validator: Any) -> type[Validator]:
    keywords: dict[str, Keyword] = {
        name: _counted(name, check) for name, check in validator.VALIDATORS.items() if name not in _UNCHECKED
    }
    return validators.create(
        meta_schema=validator.META_SCHEMA,
        validators=cast("Any", keywords),
        type_checker=validator.TYPE_CHECKER,
        id_of=validator.ID_OF,
    )


def _counted(name: str, check: Keyword) -> Keyword:
    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Generator[ValidationError]:
        _steps_left.get().take(value, instance)
        if name in _AFTER_PATTERNS and "patternProperties" in schema:
            return
        if name == "uniqueItems" and isinstance(instance, list) and len(instance) > _MAX_UNIQUE_ITEMS:
            return
        yield from check(validator, value, instance, schema) or ()

    return counted


def _depth(value: Any) -> int:
    deepest, pending = 0, [(value, 1)]
    while pending:
        current, depth = pending.pop()
        deepest = max(deepest, depth)
        if depth > _MAX_DEPTH:
            break
        children = current.values() if isinstance(current, dict) else current if isinstance(current, list) else ()
        pending += [(child, depth + 1) for child in children]
    return deepest
