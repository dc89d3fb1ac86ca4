"""Data to an `AgentSpec`: every fault at once, each with its place, what is wrong and how to mend it."""

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.refs import secrets_in
from kgents_shared.definitions.documents import Document
from kgents_shared.errors import FaultItem, InvalidInput, faults_of
from kgents_shared.errors.refs_only import SECRET_IN_DOCUMENT, secret_fault

ModelT = TypeVar("ModelT", bound=BaseModel)
_MOST_FAULTS = 100
_PROVIDER = ("llm", "provider")
_NAME_HINT = 'take 1 to 63 of a-z, 0-9 and "-", with a letter or digit first and last'
_PATTERN_HINTS = {
    "name": _NAME_HINT,
    "capabilities": 'take 1 to 64 of a-z, 0-9, ".", "_" and "-", with a letter or digit first and last',
    "tools": 'name a tool as "server.tool", or many with "*": "server.*"',
}


def compile_spec(document: Document) -> AgentSpec:
    """The spec that a document defines; `InvalidInput` with all its faults, at most 100 of them."""
    found_secrets = secrets_in(document.value)
    secrets = [secret_fault(found) for found in found_secrets]
    if any(found.in_name for found in found_secrets):
        # What else is wrong with the definition would be told with that name.
        raise _refused("definition", secrets, SECRET_IN_DOCUMENT)
    faults = [*document.faults, *secrets]
    try:
        spec = AgentSpec.model_validate(document.value)
    except ValidationError as error:
        found = _faults(error, AgentSpec, ("llm_provider",))
        code = SECRET_IN_DOCUMENT if secrets else "invalid_input"
        raise _refused("definition", [*faults, *(_in_words(fault, document.value) for fault in found)], code) from error
    if faults:
        code = SECRET_IN_DOCUMENT if secrets else "invalid_input"
        raise _refused("definition", faults, code)
    return spec


def compile_body(document: Document, model: type[ModelT]) -> ModelT:
    """Any other body as its model, as strictly as a definition."""
    try:
        body = model.model_validate(document.value)
    except ValidationError as error:
        raise _refused("body", [*document.faults, *_faults(error, model, ())]) from error
    if document.faults:
        raise _refused("body", document.faults)
    return body


def _in_words(fault: FaultItem, value: object) -> FaultItem:
    """The fault at the place that its author wrote, with what the field takes rather than a pattern."""
    if fault.loc == _PROVIDER and isinstance(value, dict) and "llm_provider" in value:
        fault = replace(fault, loc=("llm_provider",))
    if fault.code == "string_pattern_mismatch" and fault.loc[0] in _PATTERN_HINTS:
        fault = replace(fault, msg="has characters that can't stand here", hint=_PATTERN_HINTS[str(fault.loc[0])])
    return fault


def _faults(error: ValidationError, model: type[BaseModel], extra_names: tuple[str, ...]) -> list[FaultItem]:
    errors = error.errors(include_url=False, include_input=False)
    return faults_of(errors, model, extra_names=extra_names)


def _refused(what: str, faults: Iterable[FaultItem], code: str = "invalid_input") -> InvalidInput:
    shown = list(faults)[:_MOST_FAULTS]
    sentence = f"The {what} has a fault." if len(shown) == 1 else f"The {what} has {len(shown)} faults."
    return InvalidInput(f"{sentence} Each is listed in errors.", code=code, errors=shown)
