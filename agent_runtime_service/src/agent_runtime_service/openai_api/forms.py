"""The form that an answer is asked for in, as OpenAI's clients say it."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from agent_runtime_service.messages.answer_forms import AnswerFormat
from kgents_shared.contracts.agent_spec import Text
from kgents_shared.contracts.model import Contract
from kgents_shared.errors import InvalidInput
from kgents_shared.errors.validation import faults_of

FormName = Annotated[Text, Field(min_length=1, max_length=64)]


class PlainText(Contract):
    """No form."""

    type: Literal["text"]


class JsonObject(Contract):
    """Any JSON object."""

    type: Literal["json_object"]


class _Named(Contract):
    model_config = ConfigDict(populate_by_name=True)

    name: FormName
    json_schema: dict[str, Any] = Field(alias="schema")
    description: Text | None = None
    strict: bool | None = None


class SchemaOfChat(Contract):
    """JSON that fits a schema, as chat completions say it."""

    type: Literal["json_schema"]
    json_schema: _Named


class SchemaOfResponse(_Named):
    """The same as responses say it."""

    type: Literal["json_schema"]


ChatForm = Annotated[PlainText | JsonObject | SchemaOfChat, Field(discriminator="type")]
ResponseForm = Annotated[PlainText | JsonObject | SchemaOfResponse, Field(discriminator="type")]


def asked_form(form: PlainText | JsonObject | SchemaOfChat | SchemaOfResponse | None) -> AnswerFormat | None:
    """The form as a message has it; raises `InvalidInput` for a schema that is none."""
    if form is None or isinstance(form, PlainText):
        return None
    schema: dict[str, Any] = {"type": "object"}
    if isinstance(form, SchemaOfChat):
        schema = form.json_schema.json_schema
    elif isinstance(form, SchemaOfResponse):
        schema = form.json_schema
    try:
        return AnswerFormat.model_validate({"type": "json_schema", "schema": schema})
    except ValidationError as error:
        raise InvalidInput("The answer's form can't be taken.", errors=faults_of(error.errors())) from None
