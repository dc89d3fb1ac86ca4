"""Checking a call's arguments against a tool's schema, which a stranger wrote.

JSON Schema can ask for endless work: patterns that backtrack, references that multiply. So patterns are left to the
tool itself, references stay within the schema, and a check does a bounded number of steps.
"""

from collections.abc import Callable, Generator, Mapping
from contextvars import ContextVar
from functools import cache
from typing import Any, cast

from jsonschema import Draft202012Validator, SchemaError, ValidationError, validators
from jsonschema.protocols import Validator
from referencing import Registry
from referencing.exceptions import Unresolvable

_MAX_STEPS = 20_000
_MAX_DEPTH = 32
_MAX_FAULTS = 5
_MAX_UNIQUE_ITEMS = 500
# Those that match regular expressions of the schema's author against the caller's text.
_UNCHECKED = frozenset({"pattern", "patternProperties", "format"})
_AFTER_PATTERNS = frozenset({"additionalProperties", "unevaluatedProperties"})
_steps_left: ContextVar[list[int]] = ContextVar("steps_left")

Keyword = Callable[[Any, Any, Any, Any], Generator[ValidationError] | None]


class SchemaTooComplex(Exception):
    """A check that takes more steps than it may."""


def schema_fault(schema: dict[str, Any]) -> str | None:
    """Why a tool's input schema can't be taken, or None."""
    if _depth(schema) > _MAX_DEPTH:
        return f"has an input schema nested over {_MAX_DEPTH} deep"
    if schema.get("type", "object") != "object":
        return "has an input schema that isn't one of an object"
    try:
        validators.validator_for(schema, default=Draft202012Validator).check_schema(schema)
    except SchemaError as error:
        return f"has an input schema that isn't valid: {error.message[:200]}"
    except RecursionError:
        return "has an input schema without end"
    return None


def argument_faults(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> list[str]:
    """What is wrong with `arguments`, in sentences for a model; empty where nothing is.

    Raises:
        SchemaTooComplex: the schema asks for more work than a check may do, or can't be followed.
    """
    checked = _bounded(validators.validator_for(schema, default=Draft202012Validator))
    token = _steps_left.set([_MAX_STEPS])
    try:
        faults: list[str] = []
        for error in checked(schema, registry=Registry()).iter_errors(arguments):
            place = "/".join(str(part) for part in error.absolute_path)
            faults.append(f"{place or 'arguments'}: {error.message[:300]}")
            if len(faults) == _MAX_FAULTS:
                break
        return faults
    except (Unresolvable, RecursionError) as error:
        raise SchemaTooComplex("The tool's input schema can't be followed.") from error
    finally:
        _steps_left.reset(token)


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
        left = _steps_left.get()
        left[0] -= 1
        if left[0] < 0:
            raise SchemaTooComplex("The tool's input schema asks for more work than a check may do.")
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
