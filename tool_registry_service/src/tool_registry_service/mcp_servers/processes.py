"""`GET /api/v1/mcp-servers/{id}/process`: how the process of a stdio server goes, and what it wrote."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from kgents_shared.contracts.model import Contract
from kgents_shared.http.routing import Router
from tool_registry_service.dependencies import RegistryDep, ToolsRead
from tool_registry_service.mcp_client.stdio_servers import StdioReport

router = Router(prefix="/api/v1/mcp-servers", tags=["tools"])


class ProcessLimits(Contract):
    """What the processes of a server may use. `held` names what bounds all of them together on this machine."""

    memory_mb: int
    processes: int
    cpus: float
    held: list[Literal["memory", "pids", "cpu"]]


class ProxyUse(Contract):
    """What went through the proxy of a server since the platform started."""

    connections: int
    refused: int
    last_refusal: str | None
    bytes_sent: int
    bytes_received: int


class LogLineView(Contract):
    """A line that a server wrote to its standard error."""

    at: datetime
    text: str


class ProcessView(Contract):
    """The process of a stdio server, as the process that answers knows it.

    `protection` is what shuts it in, as tried out on this machine; `log` are its latest lines, 64 KB at most, over
    restarts.
    """

    command: str
    protection: Literal["bubblewrap", "namespaces", "none"]
    network: Literal["none", "proxy", "open"]
    hosts: list[str]
    limits: ProcessLimits
    proxy: ProxyUse | None
    running: bool
    starts: int
    started_at: datetime | None
    ended_at: datetime | None
    last_end: str | None
    log: list[LogLineView]


class ServerProcess(Contract):
    """The process that the platform starts for a server; null for one that is reached otherwise."""

    process: ProcessView | None


@router.get("/{server_id}/process")
async def get_process(server_id: UUID, principal: ToolsRead, registry: RegistryDep) -> ServerProcess:
    """How the process of a stdio server goes: what shuts it in, its limits, restarts, traffic and log."""
    async with registry.servers(principal.owner_ids) as servers:
        target = (await servers.get(server_id)).target
    if target.transport != "stdio":
        return ServerProcess(process=None)
    return ServerProcess(process=_view(target.command or "", await registry.maker.stdio.report(target)))


def _view(command: str, report: StdioReport) -> ProcessView:
    entry, log, proxy = report.entry, report.log, report.proxy
    limits = ProcessLimits(
        memory_mb=entry.memory_mb, processes=entry.processes, cpus=entry.cpus, held=sorted(report.limits_of_all)
    )
    used = ProxyUse(
        connections=proxy.connections, refused=proxy.refused, last_refusal=proxy.last_refusal,
        bytes_sent=proxy.bytes_sent, bytes_received=proxy.bytes_received,
    )  # fmt: skip
    return ProcessView(
        command=command, protection=report.protection.value, network=entry.network, hosts=list(entry.hosts),
        limits=limits, proxy=used if entry.network == "proxy" else None,
        running=log.pid is not None, starts=log.starts, started_at=log.started_at, ended_at=log.ended_at,
        last_end=log.last_end, log=[LogLineView(at=line.at, text=line.text) for line in log.lines],
    )  # fmt: skip
