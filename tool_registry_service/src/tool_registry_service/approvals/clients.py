"""The governance service, which keeps approvals."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from kgents_shared.contracts.approvals import ApprovalRequest, ApprovalState, ApprovalStates, ConsumeApproval
from kgents_shared.http.client import ServiceClient


class Approvals(Protocol):
    """What people said about payloads."""

    async def ask(self, request: ApprovalRequest) -> ApprovalState:
        """The approval of this request, made now or before; raises `Unavailable`, `CallFailed`."""
        ...

    async def consume(self, approval_id: UUID, payload: ConsumeApproval) -> None:
        """Have the payload carried out, this once; raises `Unavailable`, and `CallFailed` where it may not be."""
        ...

    async def states(self, ids: Sequence[UUID]) -> Sequence[ApprovalState]:
        """Of those of the ids that there are; raises `Unavailable`."""
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

    async def states(self, ids: Sequence[UUID]) -> Sequence[ApprovalState]:
        """`GET /internal/approvals/states`."""
        query = {"ids": [str(approval_id) for approval_id in ids]}
        found = await self._client.request_json("GET", "/internal/approvals/states", params=query)
        return ApprovalStates.model_validate(found).approvals
