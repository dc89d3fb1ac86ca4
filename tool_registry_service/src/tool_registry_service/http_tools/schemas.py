"""What goes over the wire for HTTP tools and imported APIs."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from kgents_shared.contracts.agent_spec import Text, ToolPattern
from kgents_shared.contracts.credentials import CredentialRef
from kgents_shared.contracts.model import Contract
from kgents_shared.contracts.tools import SideEffect
from tool_registry_service.http_tools.bounds import bounded
from tool_registry_service.http_tools.checking import checked_sending, http_address
from tool_registry_service.http_tools.definition import Placement
from tool_registry_service.http_tools.sending import Sending
from tool_registry_service.tools.names import FirstName, SingleToolName

Address = Annotated[Text, Field(max_length=2000), AfterValidator(http_address)]
ToolText = Annotated[Text, StringConstraints(min_length=1, max_length=4000)]
Operations = Annotated[list[ToolPattern], Field(min_length=1, max_length=100)]
Schema = Annotated[dict[str, Any], BeforeValidator(bounded)]
_NO_ARGUMENTS: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}


class NewHttpTool(Contract):
    """Body of `POST /tools`: one HTTP request. `{name}` in its texts stands for an argument of `input_schema`.

    `credential_ref` is a credential of the tool's owner, of type `generic` or `platform`; `auth` says how it goes with
    the request, as a bearer where that is left out. `side_effect` is the word of whoever registers the tool.
    """

    name: SingleToolName
    description: ToolText
    input_schema: Schema = Field(default_factory=lambda: dict(_NO_ARGUMENTS))
    output_schema: Schema | None = None
    request: Sending
    auth: Placement | None = None
    credential_ref: CredentialRef | None = None
    side_effect: SideEffect = "external"

    @model_validator(mode="after")
    def _can_be_sent(self) -> Self:
        checked_sending(self.request, self.input_schema)
        if self.auth is not None and self.credential_ref is None:
            raise PydanticCustomError("auth_without_credential", "auth goes with a credential_ref")
        return self


class HttpToolChange(Contract):
    """Body of `PATCH /tools/{name}`: what is given changes. Of a server's or an API's tool only `side_effect` does."""

    description: ToolText | None = None
    input_schema: Schema | None = None
    output_schema: Schema | None = None
    request: Sending | None = None
    auth: Placement | None = None
    credential_ref: CredentialRef | None = None
    side_effect: SideEffect | None = None


class NewHttpApi(Contract):
    """Body of `POST /tools/import`: an OpenAPI document, itself or by its address, whose operations become tools.

    `document` is the document as an object, or as a text in JSON or YAML. `base_url` stands for the servers that it
    names. `operations` are patterns of the names that are wanted. `auth` stands for what the document says of how a
    credential is shown. `check_results: false` leaves out what it says of answers, for an API that doesn't keep to it:
    else a result that is not as the document says is an error. `side_effects` maps names or patterns of operations to
    what they do outside; an operation that none names is `external`.
    """

    name: FirstName
    document: dict[str, Any] | str | None = None
    url: Address | None = None
    base_url: Address | None = None
    operations: Operations = Field(default_factory=lambda: ["*"])
    auth: Placement | None = None
    credential_ref: CredentialRef | None = None
    check_results: bool = True
    side_effects: Annotated[dict[ToolPattern, SideEffect], Field(max_length=200)] = Field(
        default_factory=dict[str, SideEffect]
    )

    @model_validator(mode="after")
    def _one_document(self) -> Self:
        if (self.document is None) == (self.url is None):
            raise PydanticCustomError("bad_document", "takes either document or url")
        if self.base_url is not None and "?" in self.base_url:
            raise PydanticCustomError("bad_url", "base_url must not have a query")
        return self


class HttpApiChange(Contract):
    """Body of `PATCH /tools/imports/{id}`: what is given changes. `credential_ref: null` takes the credential away.

    `operations` counts from the next refresh.
    """

    credential_ref: CredentialRef | None = None
    operations: Operations | None = None


class RefreshHttpApi(Contract):
    """Body of `POST /tools/imports/{id}/refresh`. Without a document it is fetched again from where it was."""

    document: dict[str, Any] | str | None = None


class HttpApiView(Contract):
    """An imported API. `warnings` says what of its document could not be taken."""

    id: UUID
    owner_id: str
    name: str
    title: str
    url: str | None
    base_url: str
    document_hash: str
    operations: list[str]
    auth: Placement | None
    credential_ref: str | None
    check_results: bool
    warnings: list[str]
    created_at: datetime
    refreshed_at: datetime


class ImportedTool(Contract):
    """A tool that an import made. `suggested_side_effect` is what its method lets one suppose."""

    name: str
    side_effect: SideEffect
    suggested_side_effect: SideEffect


class HttpApiImported(Contract):
    """The answer of an import."""

    api: HttpApiView
    tools: list[ImportedTool]


class HttpApiRefreshed(Contract):
    """What a refresh found, by the tools' full names. What is under `changed` stays off until it is accepted."""

    api: HttpApiView
    added: list[str]
    changed: list[str]
    removed: list[str]
    unchanged: list[str]
