"""Pydantic's faults as ours: every fault at once, each with its place and a hint."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, get_args

from pydantic import BaseModel

from kgents_shared.errors.api_errors import FaultItem

# A body can hold ten thousand faults, and looking for what each may have meant takes time.
MOST_FAULTS = 100
_TABLE_KINDS = frozenset({"model_type", "dict_type", "model_attributes_type"})
_TIME_KINDS = frozenset({"datetime_parsing", "datetime_from_date_parsing"})
_DATE_KINDS = frozenset({"date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"})
# What pydantic says of a text that a validator has had before: the number of its "items".
_TEXT_KINDS = {"too_short": "string_too_short", "too_long": "string_too_long"}
_SENTENCES = {
    **dict.fromkeys(_TABLE_KINDS, "should be a table of fields"),
    "string_unicode": "must not contain a lone surrogate",
    "string_pattern_mismatch": "is not written as it has to be",
    "uuid_parsing": "is no id",
    **dict.fromkeys(_TIME_KINDS, "is no time"),
    **dict.fromkeys(_DATE_KINDS, "is no day"),
    "timezone_aware": "says no time zone",
}
_TOOLS = 'name a tool as "server.tool", or many with "*": "server.*"'
# What a pattern asks for, as people say it; any other is shown as it is.
_IN_WORDS = {
    r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$": 'take 1 to 63 of a-z, 0-9 and "-", with a letter or digit first and last',
    r"^[A-Za-z0-9_*-]+(\.[A-Za-z0-9_*-]+)*$": _TOOLS,
    r"^(capability:[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?|[A-Za-z0-9_*-]+(\.[A-Za-z0-9_*-]+)*)$": (
        f"{_TOOLS}, or capability:NAME"
    ),
    r"^cred_[0-9a-f]{32}$": "write a reference that `kgents credentials list` shows",
    r"^[A-Z]{3}$": "write three capital letters, such as EUR",
    r"^[0-9]{1,9}(\.[0-9]{1,6})?$": 'write an amount such as "2.50", with six decimals at most',
    r"^https?://[^\s/?#@\\]+([/?][^\s#\\]*)?$": "write an address such as https://agents.example/helper",
    r"^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,199}$": "take letters, digits, _ . : and -, as in favourite_tea or orders.open",
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$": "take up to 64 letters, digits, . _ and -, with a letter or digit first",
}
_HINTS = {
    "string_pattern_mismatch": "it must match {pattern}",
    "uuid_parsing": "copy it whole",
    **dict.fromkeys(_TIME_KINDS, "write it as 2026-01-31T12:00:00Z"),
    **dict.fromkeys(_DATE_KINDS, "write it as 2026-01-31"),
    "timezone_aware": "write it as 2026-01-31T12:00:00Z",
    "string_type": "write text in quotes",
    "int_type": "write a whole number, without quotes",
    "int_from_float": "write a whole number",
    "int_parsing": "write a whole number",
    "float_type": "write a number, without quotes",
    "float_parsing": "write a number",
    "finite_number": "write a finite number",
    "bool_type": "write true or false, without quotes",
    "bool_parsing": "write true or false",
    "list_type": 'write a list: ["…", "…"]',
    "literal_error": "choose {expected}",
    "enum": "choose {expected}",
    "greater_than_equal": "choose {ge} or more",
    "greater_than": "choose more than {gt}",
    "less_than_equal": "choose {le} or less",
    "less_than": "choose less than {lt}",
    "string_too_short": "write {min_length} or more characters",
    "string_too_long": "shorten it to {max_length} characters",
    "too_short": "give at least {min_length}",
    "too_long": "give at most {max_length}",
}


def faults_of(
    errors: Iterable[Any], model: type[BaseModel] | None = None, *, extra_names: Sequence[str] = ()
) -> list[FaultItem]:
    """Translate `ValidationError.errors()`, the first 100 of them; with `model`, misspelt names get a suggestion.

    `extra_names` are input names that the model takes but does not declare as fields.
    """
    found: list[FaultItem] = []
    for error in islice(errors, MOST_FAULTS):
        loc: tuple[str | int, ...] = tuple(error["loc"])
        kind: str = error["type"]
        msg: str = error["msg"]
        if kind in _TEXT_KINDS and isinstance(error.get("input"), str):
            kind = _TEXT_KINDS[kind]
            msg = "is too short" if kind == "string_too_short" else "is too long"
        hint = _hint(kind, loc, model, extra_names) or _general_hint(kind, error.get("ctx", {}))
        found.append(FaultItem(loc, _sentence(kind, loc, msg), kind, hint))
    return found


def _sentence(kind: str, loc: tuple[str | int, ...], msg: str) -> str:
    if kind == "missing":
        return f'"{loc[-1]}" is required'
    if kind == "extra_forbidden":
        return f'"{loc[-1]}" is not a known field'
    if kind in _SENTENCES:
        return _SENTENCES[kind]
    return msg.removeprefix("Value error, ").removeprefix("Assertion failed, ")


def _general_hint(kind: str, context: Mapping[str, Any]) -> str | None:
    if kind in _TABLE_KINDS:
        return "write fields with their values in it"
    if (pattern := context.get("pattern")) in _IN_WORDS:
        return _IN_WORDS[pattern]
    return _HINTS[kind].format_map(context) if kind in _HINTS else None


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
        if isinstance(part, int):  # which one of a list: its items have the model that was found
            continue
        field = current.model_fields.get(part) if current is not None else None
        current = _model_in(field.annotation) if field is not None else None
    return list(current.model_fields) if current is not None else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)
