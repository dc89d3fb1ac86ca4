"""What is fetched and looked up before an HTTP tool is stored. No transaction is open meanwhile."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from kgents_shared.errors import FaultItem, Unavailable
from kgents_shared.http.vault import CredentialUse
from tool_registry_service import heavy_imports
from tool_registry_service.errors import (
    AddressRefused,
    AnswerTooLarge,
    ApiDocumentRefused,
    ApiDocumentUnreachable,
    BadApiDocument,
    BadToolDefinition,
    CredentialNotFound,
    CredentialRefused,
    CredentialUnusable,
    NeverSent,
    NoSuchCredential,
    ToolCallFault,
)
from tool_registry_service.http_tools.bounds import storable_text
from tool_registry_service.http_tools.definition import Placement
from tool_registry_service.http_tools.openapi.documents import ApiDocument, BadDocument, read_document
from tool_registry_service.http_tools.openapi.operations import Compiled, Place, compile_document
from tool_registry_service.http_tools.openapi.servers import base_url_of
from tool_registry_service.http_tools.secrets import NOTHING_SHOWN, HttpSecrets
from tool_registry_service.http_tools.sending import Outgoing
from tool_registry_service.mcp_client.targets import RemoteTool
from tool_registry_service.settings import ToolsSettings
from tool_registry_service.tools.definitions import offer_of


@dataclass(frozen=True, slots=True)
class ReadApi:
    """A document that was read, where its API is, and its tools."""

    document: ApiDocument
    base_url: str
    compiled: Compiled

    @property
    def title(self) -> str:
        """What the API calls itself."""
        info = self.document.data.get("info")
        title = str(info.get("title", ""))[:200] if isinstance(info, dict) else ""
        return storable_text(title)

    def placements(self) -> list[Placement]:
        """Every way that its tools show a credential, each once."""
        found = {tool.placement.model_dump_json(): tool.placement for tool in self.compiled.tools if tool.placement}
        return list(found.values())

    def show_credential(self, auth: Placement | None, *, has_one: bool) -> None:
        """Have each tool show its credential as its owner says; tell where one is missing, or of no use."""
        if auth is not None:
            self.compiled.tools = [replace(tool, placement=auth) for tool in self.compiled.tools]
        wanting = sum(tool.placement is not None for tool in self.compiled.tools)
        if wanting and not has_one:
            self.compiled.warn(f"{wanting} of the tools want a credential, and there is none: give a credential_ref.")
        if has_one and not wanting:
            self.compiled.warn("The credential is never sent: the document names no way to show it. Say one with auth.")

    def check_results(self, is_wanted: bool) -> None:
        """Leave out what the document says of answers where its owner doesn't want them held against it."""
        if not is_wanted:
            self.compiled.tools = [replace(tool, output_schema=None) for tool in self.compiled.tools]

    def tell_of_another_address(self, place: Place) -> None:
        """Tell where a document that was read again names another address than the one that calls go to."""
        try:
            said = base_url_of(self.document, place.document_url)
        except BadDocument:
            return
        if said != place.base_url:
            self.compiled.warn(f"The document names {said[:200]} as its address; the tools stay at {place.base_url}.")


class HttpAccess:
    """Documents by their address, and whether credentials can be used."""

    def __init__(self, settings: ToolsSettings, secrets: HttpSecrets) -> None:
        self._settings = settings
        self._secrets = secrets

    async def document(self, url: str) -> str:
        """The text at an address. Raises `ApiDocumentRefused`, `ApiDocumentUnreachable`."""
        await heavy_imports.load()
        from tool_registry_service.http_tools.answers import body_text  # noqa: PLC0415 -- loaded with httpx
        from tool_registry_service.http_tools.exchange import exchange  # noqa: PLC0415
        from tool_registry_service.outgoing.client import OutgoingHttp  # noqa: PLC0415

        request = Outgoing("GET", url, [], {"accept": "application/json, application/yaml, */*;q=0.5"}, None)
        http = OutgoingHttp.of(self._settings)
        try:
            answered = await exchange(http, request, NOTHING_SHOWN, self._settings.call_timeout_s)
        except (AddressRefused, AnswerTooLarge) as error:
            raise ApiDocumentRefused(str(error)) from error
        except ToolCallFault as error:
            raise ApiDocumentUnreachable(str(error)) from error
        if answered.status != 200:
            raise ApiDocumentUnreachable(f"There is no document: HTTP {answered.status} {answered.reason}".strip())
        return body_text(answered)

    async def read(self, given: object, place: Place, wanted: Sequence[str]) -> ReadApi:
        """The tools of a document; an empty `place.base_url` is found in it. Raises `BadApiDocument`."""
        await heavy_imports.load()
        try:
            return await asyncio.to_thread(self._read, given, place, wanted)
        except BadDocument as error:
            raise BadApiDocument(
                "No tools can be made of the document; each reason is listed in errors.", errors=error.faults
            ) from error

    def _read(self, given: object, place: Place, wanted: Sequence[str]) -> ReadApi:
        document = read_document(given)  # pyright: ignore[reportArgumentType] -- it says so of what is neither
        base_url = place.base_url or base_url_of(document, place.document_url)
        there = Place(base_url.rstrip("/"), place.document_url)
        compiled = compile_document(document, there, wanted, self._settings.max_tools_per_server)
        offer = offer_of([RemoteTool(tool.name, tool.description, tool.input_schema) for tool in compiled.tools])
        taken = {tool.name for tool in offer.tools}
        compiled.tools = [tool for tool in compiled.tools if tool.name in taken]
        for sentence in offer.warnings:
            compiled.warn(f"{sentence}.")
        return ReadApi(document, there.base_url, compiled)

    async def check_credential(self, use: CredentialUse, placement: Placement, name: str) -> None:
        """Refuse a credential that isn't there or can't be sent that way.

        Raises:
            CredentialNotFound: its owner has none of that reference.
            CredentialUnusable: it is of another type or shape.
            Unavailable: the vault doesn't answer.
        """
        try:
            await self._secrets.shown(use, placement, f"registration of {name}"[:200])
        except NoSuchCredential as error:
            raise CredentialNotFound(str(error)) from error
        except CredentialRefused as error:
            raise CredentialUnusable(str(error)) from error
        except NeverSent as error:
            raise Unavailable(str(error), code="vault_away") from error


async def check_schemas(
    name: str, description: str, input_schema: dict[str, Any], output_schema: dict[str, Any] | None
) -> None:
    """Refuse a single tool's schemas where they can't be used. Raises `BadToolDefinition`."""
    await heavy_imports.load()
    result = {"type": "object", "properties": {"result": output_schema}}
    for field, schema in (("input_schema", input_schema), ("output_schema", result if output_schema else None)):
        offer = offer_of([] if schema is None else [RemoteTool(name, description, schema)])
        if offer.warnings:
            fault = FaultItem(("body", field), offer.warnings[0].partition(": it ")[2], "bad_schema")
            raise BadToolDefinition(f"The {field} can't be taken.", errors=[fault])
