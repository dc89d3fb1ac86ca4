"""Migrates the schema `tools`; the address is the caller's, or TOOLS_DATABASE_URL."""

import os

from alembic import context

from kgents_shared.db.migrations import run_env
from tool_registry_service.authorization import models as authorization
from tool_registry_service.builtin_tools import models as builtin_tools
from tool_registry_service.costs import models as costs
from tool_registry_service.database import Base
from tool_registry_service.http_tools import models as http_tools
from tool_registry_service.invocation import models as invocation
from tool_registry_service.mcp_servers import models as mcp_servers
from tool_registry_service.tools import models as tools
from tool_registry_service.wasm_tools import models as wasm_tools

TABLES = (
    costs.ToolCost,
    wasm_tools.WasmModule,
    wasm_tools.WasmRow,
    authorization.PendingAuthorization,
    mcp_servers.McpServer,
    http_tools.HttpApi,
    tools.Tool,
    invocation.Invocation,
    builtin_tools.ScratchFile,
)

if not context.config.get_main_option("sqlalchemy.url"):
    context.config.set_main_option("sqlalchemy.url", os.environ.get("TOOLS_DATABASE_URL", "").replace("%", "%%"))
run_env(Base.metadata)
