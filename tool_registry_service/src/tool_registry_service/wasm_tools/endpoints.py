"""`/api/v1/mcp-servers/modules`, and the WASM part of `/api/v1/mcp-servers/{id}`."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, Request

from kgents_shared.auth import OfOrganisation, owner_of_new, owners_listed
from kgents_shared.db import Page, PageQuery, make_page
from kgents_shared.http.openapi import refusals
from kgents_shared.http.refs_only import RefsOnly
from kgents_shared.http.routing import Router
from tool_registry_service.dependencies import ToolsRead, ToolsWrite
from tool_registry_service.wasm_tools.faults import WasmRefused
from tool_registry_service.wasm_tools.models import WasmModule, WasmRow
from tool_registry_service.wasm_tools.parts import WasmDep, WasmTools
from tool_registry_service.wasm_tools.registration import offer_from_module
from tool_registry_service.wasm_tools.schemas import (
    WasmModuleView,
    WasmServerView,
    WasmSetup,
    WasmUpdate,
    WasmUsage,
)

_BINARY, _TEXT = b"\0asm", (b"(", b";;")
MODULES_PATH = "/api/v1/mcp-servers/modules"
router = Router(prefix="/api/v1/mcp-servers", tags=["tools"])
_UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
Sha256 = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]


@router.post("/modules", status_code=201, responses=refusals(413, 422), openapi_extra=_UPLOAD)
async def upload_wasm_module(
    request: Request, principal: ToolsWrite, wasm: WasmDep, organisation: OfOrganisation = None
) -> WasmModuleView:
    """Upload a core module or a component, or a core module in the text format; the same one twice is kept once.

    One that no server is made of is deleted a day later, when its owner uploads another.
    """
    owner_id = owner_of_new(principal, organisation)
    async with wasm.uploads:
        source = await request.body()
        if not source.startswith(_BINARY) and not source[:4096].lstrip().startswith(_TEXT):
            raise WasmRefused("That is no WebAssembly: send the module itself, in binary or in the text format.")
        async with wasm.rows([owner_id]) as rows:
            return _module_view(await rows.keep(owner_id, source, most_together=wasm.most_together))


@router.get("/modules")
async def list_wasm_modules(
    page: PageQuery, principal: ToolsRead, wasm: WasmDep, organisation: OfOrganisation = None
) -> Page[WasmModuleView]:
    """The uploaded modules of the caller and their organisations, newest first."""
    async with wasm.rows(owners_listed(principal, organisation)) as rows:
        found = await rows.modules(page)
        return make_page(found, page, item=_module_view, key=lambda module: (str(module.id),))


@router.delete("/modules/{sha256}", status_code=204, responses=refusals(409))
async def delete_wasm_module(
    sha256: Sha256, principal: ToolsWrite, wasm: WasmDep, organisation: OfOrganisation = None
) -> None:
    """Forget a module that no server is made of."""
    async with wasm.rows([owner_of_new(principal, organisation)]) as rows:
        await rows.forget(sha256)


@router.get("/{wasm_server_id}/wasm", responses=refusals(409))
async def get_wasm_server(wasm_server_id: UUID, principal: ToolsRead, wasm: WasmDep) -> WasmServerView:
    """What a WASM server runs, within what, and what its calls have used."""
    async with wasm.rows(principal.owner_ids) as rows:
        return _server_view(wasm, *await rows.get(wasm_server_id))


@router.put("/{wasm_server_id}/wasm", responses=refusals(409))
async def replace_wasm_module(
    wasm_server_id: UUID, setup: WasmSetup, principal: ToolsWrite, wasm: WasmDep, _: RefsOnly
) -> WasmUpdate:
    """Run another module, or the same within other limits. What it offers is pinned as it is then."""
    async with wasm.rows(principal.owner_ids) as rows:
        owner_id = await rows.owner(wasm_server_id)
    offer = await offer_from_module(wasm, owner_id, wasm_server_id, setup)
    async with wasm.rows([owner_id]) as rows:
        found = await rows.replace(wasm_server_id, setup, offer, by=principal.subject)
        row, module = await rows.get(wasm_server_id)
        return WasmUpdate(
            server=_server_view(wasm, row, module), added=found.added, changed=found.changed,
            removed=found.removed, unchanged=found.unchanged, warnings=offer.warnings,
        )  # fmt: skip


@router.post("/{wasm_server_id}/stop", responses=refusals(409))
async def stop_wasm_server(wasm_server_id: UUID, principal: ToolsWrite, wasm: WasmDep) -> WasmServerView:
    """Take no more calls of it, and let go of its code once those that run have ended."""
    async with wasm.rows(principal.owner_ids) as rows:
        row, module = await rows.set_stopped(wasm_server_id, stopped=True)
    await wasm.pool.drop(wasm_server_id)
    return _server_view(wasm, row, module)


@router.post("/{wasm_server_id}/start", responses=refusals(409))
async def start_wasm_server(wasm_server_id: UUID, principal: ToolsWrite, wasm: WasmDep) -> WasmServerView:
    """Take calls of it again."""
    async with wasm.rows(principal.owner_ids) as rows:
        return _server_view(wasm, *await rows.set_stopped(wasm_server_id, stopped=False))


@router.post("/{wasm_server_id}/restart", responses=refusals(409))
async def restart_wasm_server(wasm_server_id: UUID, principal: ToolsWrite, wasm: WasmDep) -> WasmServerView:
    """Let go of its code and take calls of it; it is loaded anew for the next one."""
    async with wasm.rows(principal.owner_ids) as rows:
        await rows.get(wasm_server_id)
    await wasm.pool.drop(wasm_server_id)
    async with wasm.rows(principal.owner_ids) as rows:
        return _server_view(wasm, *await rows.set_stopped(wasm_server_id, stopped=False))


def _module_view(module: WasmModule) -> WasmModuleView:
    return WasmModuleView(sha256=module.source_hash, size=module.size, created_at=module.created_at)


def _server_view(wasm: WasmTools, row: WasmRow, module: WasmModule) -> WasmServerView:
    pool = wasm.pool
    used = pool.usage(row.server_id)
    return WasmServerView.model_validate(
        {
            "server_id": row.server_id,
            "module": _module_view(module),
            "limits": row.limits,
            "grants": row.grants,
            "state": "started" if row.stopped_at is None else "stopped",
            "loaded": pool.is_loaded(row.server_id),
            "usage": WasmUsage(
                calls=used.calls, errors=used.errors, traps=used.traps, over_fuel=used.over["fuel"],
                over_memory_mb=used.over["memory_mb"], over_timeout_ms=used.over["timeout_ms"],
                running=pool.running(row.server_id), fuel=used.fuel, most_fuel=used.most_fuel,
                most_memory_bytes=used.most_memory_bytes, busy_ms=round(used.busy_s * 1000, 3),
                last_used_at=used.last_used_at,
            ),
        }
    )  # fmt: skip
