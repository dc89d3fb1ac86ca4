"""Data to an `AgentSpec`: every fault at once, each with its place, what is wrong and how to mend it."""

from collections.abc import Iterable
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from agent_management_service.definitions.documents import Document
from agent_management_service.definitions.secrets_in_text import secret_faults
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.errors import FaultItem, InvalidInput, faults_of

ModelT = TypeVar("ModelT", bound=BaseModel)
_MOST_FAULTS = 100


def compile_spec(document: Document) -> AgentSpec:
    """The spec that a document defines; `InvalidInput` with all its faults, at most 100 of them."""
    secrets = secret_faults(document.value)
    faults = [*document.faults, *secrets]
    try:
        spec = AgentSpec.model_validate(document.value)
    except ValidationError as error:
        raise _refused("definition", [*faults, *_faults(error, AgentSpec, ("llm_provider",))]) from error
    if faults:
        code = "secret_in_definition" if secrets else "invalid_input"
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


def _faults(error: ValidationError, model: type[BaseModel], extra_names: tuple[str, ...]) -> list[FaultItem]:
    errors = error.errors(include_url=False, include_input=False, include_context=False)
    return faults_of(errors[:_MOST_FAULTS], model, extra_names=extra_names)


def _refused(what: str, faults: Iterable[FaultItem], code: str = "invalid_input") -> InvalidInput:
    shown = list(faults)[:_MOST_FAULTS]
    sentence = f"The {what} has a fault." if len(shown) == 1 else f"The {what} has {len(shown)} faults."
    return InvalidInput(f"{sentence} Each is listed in errors.", code=code, errors=shown)
