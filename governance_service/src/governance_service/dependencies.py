"""What endpoints ask for in their signatures: the caller, the services."""

from typing import Annotated, cast

from fastapi import Depends, Request

from governance_service.approvals.service import ApprovalService
from governance_service.policies.service import PolicyService
from kgents_shared.auth import Principal, require, require_service

ApprovalsRead = Annotated[Principal, Depends(require("approvals:read"))]
ApprovalsDecide = Annotated[Principal, Depends(require("approvals:decide"))]
PoliciesRead = Annotated[Principal, Depends(require("policies:read"))]
PoliciesWrite = Annotated[Principal, Depends(require("policies:write"))]
ToolsCalls = Annotated[Principal, Depends(require_service("tools"))]
RuntimeCalls = Annotated[Principal, Depends(require_service("runtime"))]
ToolsOrRuntimeCalls = Annotated[Principal, Depends(require_service("tools", "runtime"))]


async def _approvals(request: Request) -> ApprovalService:
    return cast("ApprovalService", request.app.state.approvals)


Approvals = Annotated[ApprovalService, Depends(_approvals)]


async def _policies(request: Request) -> PolicyService:
    return cast("PolicyService", request.app.state.policies)


Policies = Annotated[PolicyService, Depends(_policies)]
