"""`/internal/policies`: the feed for whoever enforces them."""

from typing import Annotated

from fastapi import Query

from governance_service.dependencies import Policies, ToolsCalls
from kgents_shared.contracts.policies import PolicyPage
from kgents_shared.http.routing import Router

_LONGEST_WAIT_S = 30
internal_router = Router(prefix="/internal/policies", tags=["internal"])


@internal_router.get("")
async def get_policies_after(
    _: ToolsCalls,
    policies: Policies,
    after: Annotated[int, Query(ge=0)] = 0,
    wait_s: Annotated[float, Query(ge=0, le=_LONGEST_WAIT_S)] = 0,
) -> PolicyPage:
    """What changed after this position, at most some hundred at once.

    Where nothing did, it is waited for, up to `wait_s` seconds.
    """
    return await policies.after(after, wait_s)
