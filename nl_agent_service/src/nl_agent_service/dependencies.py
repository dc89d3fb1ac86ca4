"""What endpoints ask for in their signatures: the caller and their bearer, a key, the services."""

import hashlib
from typing import Annotated, cast

from fastapi import Depends, Header, Request

from kgents_shared.auth import Principal, require
from kgents_shared.errors import FaultItem, InvalidInput
from nl_agent_service.drafts.repository import DraftRepository
from nl_agent_service.drafts.service import DraftService

_MAX_KEY_CHARS = 255

DraftsRead = Annotated[Principal, Depends(require("agents:read"))]
# It makes agents, checks them first, and asks a model at the owner's expense as who talks to an agent does.
DraftsWrite = Annotated[Principal, Depends(require("agents:invoke", "agents:read", "agents:write"))]


async def _bearer(request: Request) -> str:
    """What the caller showed, once the route's principal was made of it."""
    return request.headers["authorization"].partition(" ")[2].strip()


async def _drafts(request: Request) -> DraftService:
    return cast("DraftService", request.app.state.drafts)


async def _repository(request: Request) -> DraftRepository:
    return cast("DraftRepository", request.app.state.draft_repository)


async def _key(
    request: Request, _: DraftsWrite, idempotency_key: Annotated[str | None, Header()] = None
) -> tuple[str, bytes] | None:
    """The Idempotency-Key, and a hash of the request that it stands for."""
    if idempotency_key is None:
        return None
    key = idempotency_key
    if not 0 < len(key) <= _MAX_KEY_CHARS or not (key.isascii() and key.isprintable()):
        fault = FaultItem(
            ("header", "Idempotency-Key"), f"must be 1 to {_MAX_KEY_CHARS} printable ASCII characters", "bad_key"
        )
        raise InvalidInput("The Idempotency-Key can't be used.", errors=[fault])
    query: bytes = request.scope["query_string"]
    return key, hashlib.sha256(len(query).to_bytes(8, "big") + query + await request.body()).digest()


Bearer = Annotated[str, Depends(_bearer)]
Key = Annotated[tuple[str, bytes] | None, Depends(_key)]
DraftServiceDep = Annotated[DraftService, Depends(_drafts)]
DraftRepositoryDep = Annotated[DraftRepository, Depends(_repository)]
