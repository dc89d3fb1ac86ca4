"""The governance service, which keeps approvals."""

from typing import Protocol
from uuid import UUID

from kgents_shared.contracts.approvals import ApprovalRequest, ApprovalState, ConsumeApproval
from kgents_shared.http.client import ServiceClient


class Approvals(Protocol):
    """What people said about payloads."""

    async def ask(self, request: ApprovalRequest) -> ApprovalState:
        """The approval of this request, made now or before; raises `Unavailable`, `CallFailed`."""
        ...

    async def consume(self, approval_id: UUID, payload: ConsumeApproval) -> None:
        """Have the payload carried out, this once; raises `Unavailable`, and `CallFailed` where it may not be."""
        ...


class HttpApprovals:
    """The real one."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def ask(self, request: ApprovalRequest) -> ApprovalState:
        """`POST /internal/approvals`."""
        body = request.model_dump(mode="json", exclude_none=True)
        return ApprovalState.model_validate(await self._client.request_json("POST", "/internal/approvals", json=body))

    async def consume(self, approval_id: UUID, payload: ConsumeApproval) -> None:
        """`POST /internal/approvals/{id}/consume`."""
        path = f"/internal/approvals/{approval_id}/consume"
        await self._client.request_json("POST", path, json=payload.model_dump(mode="json"))
