"""Data to an `AgentSpec`: every fault at once, each with its place, what is wrong and how to mend it."""

from collections.abc import Iterable
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.refs import secrets_in
from kgents_shared.definitions.documents import Document
from kgents_shared.definitions.limits import SystemLimits, beyond_limits
from kgents_shared.definitions.places import repeated_names, with_places
from kgents_shared.definitions.rules import contradictions
from kgents_shared.definitions.suggestions import in_words
from kgents_shared.errors import FaultItem, InvalidInput, faults_of
from kgents_shared.errors.refs_only import SECRET_IN_DOCUMENT, secret_fault

ModelT = TypeVar("ModelT", bound=BaseModel)
_MOST_FAULTS = 100
_NO_LIMITS = SystemLimits()


def compile_spec(document: Document, limits: SystemLimits = _NO_LIMITS) -> AgentSpec:
    """The spec that a document defines; `InvalidInput` with all its faults, at most 100 of them."""
    found_secrets = secrets_in(document.value)
    secrets = [secret_fault(found) for found in found_secrets]
    if any(found.in_name for found in found_secrets):
        # What else is wrong with the definition would be told with that name.
        raise _refused("definition", document, secrets, SECRET_IN_DOCUMENT)
    faults = [*repeated_names(document), *secrets]
    code = SECRET_IN_DOCUMENT if secrets else "invalid_input"
    try:
        spec = AgentSpec.model_validate(document.value)
    except ValidationError as error:
        found = _faults(error, AgentSpec, ("llm_provider",))
        faults += [in_words(fault, document) for fault in found]
        raise _refused("definition", document, faults, code) from error
    beyond = [in_words(fault, document) for fault in beyond_limits(spec, limits)]
    faults += [*contradictions(spec), *beyond]
    if faults:
        raise _refused("definition", document, faults, code)
    return spec


def compile_body(document: Document, model: type[ModelT]) -> ModelT:
    """Any other body as its model, as strictly as a definition."""
    try:
        body = model.model_validate(document.value)
    except ValidationError as error:
        raise _refused("body", document, [*repeated_names(document), *_faults(error, model, ())]) from error
    if document.repeats:
        raise _refused("body", document, repeated_names(document))
    return body


def _faults(error: ValidationError, model: type[BaseModel], extra_names: tuple[str, ...]) -> list[FaultItem]:
    errors = error.errors(include_url=False, include_input=False)
    return faults_of(errors, model, extra_names=extra_names)


def _refused(what: str, document: Document, faults: Iterable[FaultItem], code: str = "invalid_input") -> InvalidInput:
    shown = with_places(document, list(faults)[:_MOST_FAULTS])
    sentence = f"The {what} has a fault." if len(shown) == 1 else f"The {what} has {len(shown)} faults."
    return InvalidInput(f"{sentence} Each is listed in errors.", code=code, errors=shown)
