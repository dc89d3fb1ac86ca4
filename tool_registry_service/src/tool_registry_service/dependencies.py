"""What endpoints ask for."""

from typing import Annotated, cast

from fastapi import Depends, Request

from kgents_shared.auth import Principal, require, require_service
from tool_registry_service.registry import Registry

ToolsRead = Annotated[Principal, Depends(require("tools:read"))]
ToolsWrite = Annotated[Principal, Depends(require("tools:write"))]
ToolsInvoke = Annotated[Principal, Depends(require("tools:invoke"))]
RuntimeOnly = Annotated[Principal, Depends(require_service("runtime"))]
ManagementOnly = Annotated[Principal, Depends(require_service("management"))]


def _registry(request: Request) -> Registry:
    return cast("Registry", request.app.state.registry)


RegistryDep = Annotated[Registry, Depends(_registry)]
