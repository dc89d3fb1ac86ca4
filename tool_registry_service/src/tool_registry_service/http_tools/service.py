"""The rules about HTTP tools and imported APIs."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from kgents_shared.contracts.tools import SideEffect
from kgents_shared.db import PageRequest, new_id
from tool_registry_service.errors import ApiNotFound, NameTaken, ToolNotFound, ToolOfAnother
from tool_registry_service.http_tools.access import ReadApi
from tool_registry_service.http_tools.definition import HttpDefinition, Placement, StoredDefinition
from tool_registry_service.http_tools.models import HttpApi
from tool_registry_service.http_tools.repository import HttpApiRepository
from tool_registry_service.http_tools.rows import compare_read, new_row, row_of_api, side_effect_of, with_credential
from tool_registry_service.http_tools.schemas import HttpApiChange, HttpToolChange, NewHttpApi, NewHttpTool
from tool_registry_service.tools.models import Tool
from tool_registry_service.tools.pinning import Comparison, pending_definition, pin
from tool_registry_service.tools.repository import ToolRepository


class HttpToolService:
    """What may be done with the HTTP tools and imported APIs of some owners, within one transaction."""

    def __init__(self, apis: HttpApiRepository, tools: ToolRepository) -> None:
        self._apis = apis
        self._tools = tools

    async def add_tool(self, owner_id: str, new: NewHttpTool, *, by: str) -> Tool:
        """Store a single tool; raises `NameTaken`."""
        taken = await self._tools.claim_first_name(owner_id, new.name.partition(".")[0])
        if taken - {"tools"}:
            raise NameTaken(f"{new.name.partition('.')[0]} is the name of a server or an imported API.")
        if await self._tools.find(new.name) is not None:
            raise NameTaken(f"There is a tool named {new.name} already.")
        row = new_row(owner_id, definition_of(new), new.credential_ref, datetime.now(UTC))
        row.side_effect, row.pinned_by = new.side_effect, by
        await self._tools.add([row])
        return row

    async def add_api(self, owner_id: str, new: NewHttpApi, read: ReadApi, *, by: str) -> tuple[HttpApi, list[Tool]]:
        """Store an API with its tools; raises `NameTaken`."""
        if await self._tools.claim_first_name(owner_id, new.name):
            raise NameTaken(f"There is a server, an imported API or a tool named {new.name} already.")
        now = datetime.now(UTC)
        api = HttpApi(
            id=new_id(), owner_id=owner_id, name=new.name, title=read.title, source_url=new.url,
            base_url=read.base_url, document_hash=read.document.digest, operations=new.operations,
            auth=None if new.auth is None else new.auth.model_dump(mode="json"), credential_ref=new.credential_ref,
            check_results=new.check_results, warnings=read.compiled.warnings, created_at=now, refreshed_at=now,
        )  # fmt: skip
        await self._apis.add(api)
        rows = [row_of_api(api, definition, now) for definition in read.compiled.tools]
        for row in rows:
            row.side_effect, row.pinned_by = side_effect_of(row.remote_name, new.side_effects), by
        await self._tools.add(rows)
        return api, rows

    async def compare(self, api_id: UUID, read: ReadApi) -> tuple[HttpApi, Comparison]:
        """Bring the stored tools up to a document; raises `ApiNotFound`."""
        api = await self.get_api(api_id, lock=True)
        now = datetime.now(UTC)
        comparison = compare_read(api, await self._tools.of_api(api_id), read.compiled.tools, now)
        await self._tools.add(comparison.new_rows)
        api.document_hash, api.title = read.document.digest, read.title
        api.warnings, api.refreshed_at = read.compiled.warnings, now
        return api, comparison

    async def get_api(self, api_id: UUID, *, lock: bool = False) -> HttpApi:
        """One imported API; raises `ApiNotFound`."""
        api = await self._apis.find(api_id, lock=lock)
        if api is None:
            raise ApiNotFound("There is no such imported API.")
        return api

    async def placements(self, api_id: UUID) -> list[Placement]:
        """Every way that an API's tools show a credential, each once."""
        stored = [StoredDefinition.model_validate(tool.definition) for tool in await self._tools.of_api(api_id)]
        return list(
            {entry.placement.model_dump_json(): entry.placement for entry in stored if entry.placement}.values()
        )

    async def apis(self, request: PageRequest) -> Sequence[HttpApi]:
        """`limit + 1` of the owners' imported APIs."""
        return await self._apis.page(request)

    async def change_api(self, api_id: UUID, change: HttpApiChange) -> HttpApi:
        """Another credential for all of an API's tools, other operations from the next refresh."""
        api = await self.get_api(api_id, lock=True)
        if "credential_ref" in change.model_fields_set:
            api.credential_ref = change.credential_ref
            for tool in await self._tools.of_api(api_id):
                tool.definition = with_credential(tool.definition, change.credential_ref)
                if tool.pending is not None:
                    kept = with_credential(tool.pending["definition"], change.credential_ref)
                    tool.pending = tool.pending | {"definition": kept}
        if change.operations is not None:
            api.operations = change.operations
        return api

    async def delete_api(self, api_id: UUID) -> None:
        """Forget an API and its tools; raises `ApiNotFound`."""
        await self._apis.remove(await self.get_api(api_id))

    async def tool(self, name: str, *, lock: bool = False) -> Tool:
        """One tool by its full name; raises `ToolNotFound`."""
        tool = await self._tools.find(name, lock=lock)
        if tool is None:
            raise ToolNotFound(f"There is no tool named {name}.")
        return tool

    async def change_tool(self, name: str, change: HttpToolChange, whole: NewHttpTool | None, *, by: str) -> Tool:
        """Change a tool; `whole` is what a single one is with the change. Raises `ToolOfAnother`."""
        tool = await self.tool(name, lock=True)
        if whole is not None:
            definition = definition_of(whole)
            fresh = new_row(tool.owner_id, definition, whole.credential_ref, tool.created_at)
            tool.description, tool.input_schema = fresh.description, fresh.input_schema
            tool.output_schema, tool.definition = fresh.output_schema, fresh.definition
            tool.definition_hash, tool.pinned_by = fresh.definition_hash, by
        elif change.model_fields_set - {"side_effect"}:
            raise ToolOfAnother(f"{name} belongs to a server or an imported API: only its side_effect can be changed.")
        if change.side_effect is not None:
            tool.side_effect = change.side_effect
        tool.updated_at = datetime.now(UTC)
        return await self._tools.settled(tool)

    async def delete_tool(self, name: str) -> None:
        """Forget a single tool; raises `ToolOfAnother`."""
        tool = await self.tool(name, lock=True)
        if not is_single(tool):
            raise ToolOfAnother(f"{name} belongs to a server or an imported API: delete that.")
        await self._tools.remove(tool)

    async def accept(self, name: str, definition_hash: str | None, *, by: str) -> Tool:
        """Pin the changed definition of a tool and switch it on again; raises `NothingToAccept`, `ToolOfAnother`."""
        tool = await self.tool(name, lock=True)
        if tool.kind != "http":
            raise ToolOfAnother(
                f"{name} belongs to a server: accept it with POST /mcp-servers/{{id}}/tools/{{tool}}/accept."
            )
        pending = pending_definition(tool, definition_hash)
        stored = StoredDefinition.model_validate(tool.definition)
        tool.definition = with_credential(pending["definition"], stored.credential_ref)
        pin(tool, pending, by)
        return await self._tools.settled(tool)


def is_single(tool: Tool) -> bool:
    """Whether a tool is a request of its own, of no imported API."""
    return tool.kind == "http" and tool.api_id is None


def suggested_of(tool: Tool) -> SideEffect:
    """What a tool's method lets one suppose of its effects."""
    return StoredDefinition.model_validate(tool.definition).suggested


def definition_of(new: NewHttpTool) -> HttpDefinition:
    """A single tool as it is pinned."""
    placement = new.auth or (Placement() if new.credential_ref is not None else None)
    suggested: SideEffect = "read" if new.request.method in ("GET", "HEAD") else "external"
    return HttpDefinition(
        new.name, new.description, new.input_schema, new.output_schema, new.request, placement, suggested
    )


def whole_of(tool: Tool, change: HttpToolChange) -> Mapping[str, Any]:
    """A single tool as a body of `POST /tools`, with a change of it."""
    stored = StoredDefinition.model_validate(tool.definition)
    given = change.model_dump(exclude_unset=True, exclude={"side_effect"})
    whole = {
        "name": tool.name,
        "description": tool.description,
        "input_schema": tool.input_schema,
        "output_schema": tool.output_schema,
        "request": stored.sending.model_dump(),
        "auth": None if stored.placement is None else stored.placement.model_dump(),
        "credential_ref": stored.credential_ref,
    } | given
    if whole["credential_ref"] is None:
        whole["auth"] = None
    return whole
