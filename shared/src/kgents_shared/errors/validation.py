"""Pydantic's faults as ours: every fault at once, each with its place and a hint."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any, get_args

from pydantic import BaseModel

from kgents_shared.errors.api_errors import FaultItem


def faults_of(
    errors: Iterable[Any], model: type[BaseModel] | None = None, *, extra_names: Sequence[str] = ()
) -> list[FaultItem]:
    """Translate `ValidationError.errors()`; with `model`, misspelt field names get a suggestion.

    `extra_names` are input names that the model takes but does not declare as fields.
    """
    found: list[FaultItem] = []
    for error in errors:
        loc: tuple[str | int, ...] = tuple(error["loc"])
        kind: str = error["type"]
        found.append(FaultItem(loc, _sentence(kind, loc, error["msg"]), kind, _hint(kind, loc, model, extra_names)))
    return found


def _sentence(kind: str, loc: tuple[str | int, ...], msg: str) -> str:
    if kind == "missing":
        return f'"{loc[-1]}" is required'
    if kind == "extra_forbidden":
        return f'"{loc[-1]}" is not a known field'
    return msg.removeprefix("Value error, ").removeprefix("Assertion failed, ")


def _hint(
    kind: str, loc: tuple[str | int, ...], model: type[BaseModel] | None, extra_names: Sequence[str]
) -> str | None:
    if kind == "missing":
        return f'add "{loc[-1]}"'
    if kind != "extra_forbidden" or model is None:
        return None
    names = [*_field_names(model, loc[:-1]), *(extra_names if len(loc) == 1 else ())]
    close = difflib.get_close_matches(str(loc[-1]), names, n=1, cutoff=0.6)
    if close:
        return f'"{loc[-1]}": did you mean "{close[0]}"?'
    return f"known fields here: {', '.join(sorted(names))}" if names else None


def _field_names(model: type[BaseModel], path: tuple[str | int, ...]) -> list[str]:
    current: type[BaseModel] | None = model
    for part in path:
        field = current.model_fields.get(str(part)) if current is not None else None
        current = _model_in(field.annotation) if field is not None else None
    return list(current.model_fields) if current is not None else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)
