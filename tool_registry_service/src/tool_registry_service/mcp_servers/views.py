"""Servers as they go over the wire."""

from typing import Literal

from tool_registry_service.authorization.schemas import OAuthSettings
from tool_registry_service.mcp_client.health import ServerHealth
from tool_registry_service.mcp_client.server_log import ServerLog
from tool_registry_service.mcp_client.targets import ServerTarget
from tool_registry_service.mcp_servers.changing import waits_for_a_person
from tool_registry_service.mcp_servers.models import McpServer
from tool_registry_service.mcp_servers.schemas import McpServerHealth, McpServerView, RefreshView
from tool_registry_service.tools.pinning import Comparison


def view_of_server(server: McpServer) -> McpServerView:
    """A registered server."""
    return McpServerView(
        id=server.id, owner_id=server.owner_id, name=server.name, transport=server.transport,
        url=server.url, command=server.command, args=server.args, credential_ref=server.credential_ref,
        headers=server.headers, oauth=None if server.oauth is None else OAuthSettings.model_validate(server.oauth),
        authorized_at=server.authorized_at,
        warnings=server.warnings, created_at=server.created_at, refreshed_at=server.refreshed_at,
    )  # fmt: skip


def view_of_refresh(server: McpServer, found: Comparison) -> RefreshView:
    """What a refresh found."""
    return RefreshView(
        server=view_of_server(server), added=found.added, changed=found.changed, removed=found.removed,
        unchanged=found.unchanged,
    )  # fmt: skip


def view_of_health(target: ServerTarget, seen: ServerHealth, process: ServerLog | None) -> McpServerHealth:
    """How a server has been; `process` is known where the platform starts one for it."""
    state: Literal["connected", "idle", "away", "unauthorized"] = "connected" if seen.sessions else "idle"
    if seen.sessions == 0 and seen.failures_in_a_row:
        state = "away"
    if waits_for_a_person(target) or seen.is_unauthorized:
        state = "unauthorized"
    return McpServerHealth(
        state=state, sessions=seen.sessions, in_flight=seen.in_flight, calls=seen.calls, failures=seen.failures,
        failures_in_a_row=seen.failures_in_a_row, last_seen_at=seen.last_seen_at,
        last_failed_at=seen.last_failed_at, last_failure=seen.last_failure, latency_ms_p50=seen.latency_ms_p50,
        latency_ms_max=seen.latency_ms_max, next_try_in_s=seen.next_try_in_s, says=seen.says,
        protocol=seen.protocol, offers=sorted(seen.offers), starts=None if process is None else process.starts,
        last_end=None if process is None else process.last_end,
    )  # fmt: skip
