"""`/internal/policies`: the feed for whoever enforces them."""

from typing import Annotated

from fastapi import Query

from governance_service.dependencies import Policies, ToolsCalls
from kgents_shared.contracts.policies import PolicyPage
from kgents_shared.http.routing import Router

internal_router = Router(prefix="/internal/policies", tags=["internal"])


@internal_router.get("")
async def get_policies_after(_: ToolsCalls, policies: Policies, after: Annotated[int, Query(ge=0)] = 0) -> PolicyPage:
    """What changed after this position, at most some hundred at once."""
    return await policies.after(after)
