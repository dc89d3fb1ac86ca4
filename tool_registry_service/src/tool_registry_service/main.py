"""The tool registry's app."""

from fastapi import FastAPI

from kgents_shared.auth import IdentitySource
from kgents_shared.http.app import ServiceFrame, build_service_app
from kgents_shared.http.service import ServiceDefinition
from kgents_shared.personal_data.endpoints import personal_data_router
from kgents_shared.policies.feed import ReadPolicies
from tool_registry_service.authorization import endpoints as authorization
from tool_registry_service.costs import endpoints as costs
from tool_registry_service.direct_calls import endpoints as direct_calls
from tool_registry_service.http_tools import endpoints as http_tools
from tool_registry_service.invocation import endpoints as invocation
from tool_registry_service.lifespan import lifespan
from tool_registry_service.mcp_contents import endpoints as mcp_contents
from tool_registry_service.mcp_server import endpoints as mcp_server
from tool_registry_service.mcp_servers import endpoints as mcp_servers
from tool_registry_service.mcp_servers import processes
from tool_registry_service.permissions import endpoints as permissions
from tool_registry_service.personal_data import PERSONAL_DATA
from tool_registry_service.records import endpoints as records
from tool_registry_service.settings import ToolsSettings
from tool_registry_service.tools import endpoints as tools
from tool_registry_service.wasm_tools import endpoints as wasm_tools
from tool_registry_service.wasm_tools.parts import MAX_MODULE_BYTES

_personal_data_router = personal_data_router(PERSONAL_DATA)


def create_app(
    settings: ToolsSettings | None = None,
    *,
    identity: IdentitySource | None = None,
    policies: ReadPolicies | None = None,
) -> FastAPI:
    """The app; it opens nothing. Settings come from the environment where none are given, policies from governance."""
    app = build_service_app(
        ServiceFrame(
            name="tools",
            title="Kgents tool registry",
            settings=settings or ToolsSettings(),  # pyright: ignore[reportCallIssue] -- from the environment
            lifespan=lifespan,
            routers=(
                wasm_tools.router,
                authorization.router,
                mcp_servers.router,
                mcp_contents.router,
                processes.router,
                records.router,
                records.internal_router,
                _personal_data_router,
                costs.router,
                permissions.router,
                http_tools.router,
                tools.router,
                direct_calls.router,
                tools.internal_router,
                invocation.internal_router,
                mcp_server.router,
                mcp_server.mcp_router,
            ),
            identity=identity,
            larger_bodies={wasm_tools.MODULES_PATH: MAX_MODULE_BYTES},
        )
    )
    app.state.policy_source = policies
    return app


SERVICE = ServiceDefinition(
    name="tools",
    package="tool_registry_service",
    schema="tools",
    settings_type=ToolsSettings,
    create_app=create_app,
)
