"""GET /internal/revocations: the feed that every service follows."""

from typing import Annotated

from fastapi import Depends, Query

from auth_service.dependencies import PartsDep
from kgents_shared.auth import Principal, require_service
from kgents_shared.contracts.path_table import load_path_table
from kgents_shared.contracts.revocations import RevocationPage
from kgents_shared.http.routing import Router

internal_router = Router(prefix="/internal/revocations", tags=["internal"])
_LONGEST_WAIT_S = 30
AnyService = Annotated[Principal, Depends(require_service(*sorted(load_path_table().services)))]


@internal_router.get("")
async def list_revocations(
    service: AnyService,
    parts: PartsDep,
    after: Annotated[int, Query(ge=0)] = 0,
    wait_s: Annotated[float, Query(ge=0, le=_LONGEST_WAIT_S)] = 0,
) -> RevocationPage:
    """What was revoked after a position, in order; 0 for all that still means something.

    Where there is nothing, it is waited for, up to `wait_s` seconds.
    """
    del service
    return await parts.revocation_news.after(after, wait_s)
