"""What endpoints ask for in their signatures: who calls, and the services that live on the app."""

from typing import Annotated, cast

from fastapi import Depends, Header, Request

from agent_runtime_service.conversations.repository import ConversationRepository
from agent_runtime_service.instances.service import InstanceService
from agent_runtime_service.messages.service import AgentFinder, MessageService
from agent_runtime_service.runs.repository import RunRepository
from kgents_shared.auth import Principal, require, require_service
from kgents_shared.errors import FaultItem, InvalidInput

_MAX_KEY_CHARS = 255

AgentsInvoke = Annotated[Principal, Depends(require("agents:invoke"))]
RunsRead = Annotated[Principal, Depends(require("runs:read"))]
ConversationsRead = Annotated[Principal, Depends(require("conversations:read"))]
DeploymentCalls = Annotated[Principal, Depends(require_service("deployment"))]


async def _messages(request: Request) -> MessageService:
    return cast("MessageService", request.app.state.messages)


async def _finder(request: Request) -> AgentFinder:
    return cast("AgentFinder", request.app.state.finder)


async def _instances(request: Request) -> InstanceService:
    return cast("InstanceService", request.app.state.instances)


async def _conversations(request: Request) -> ConversationRepository:
    return cast("ConversationRepository", request.app.state.conversations)


async def _runs(request: Request) -> RunRepository:
    return cast("RunRepository", request.app.state.run_repository)


MessageServiceDep = Annotated[MessageService, Depends(_messages)]
AgentFinderDep = Annotated[AgentFinder, Depends(_finder)]
InstanceServiceDep = Annotated[InstanceService, Depends(_instances)]
ConversationRepositoryDep = Annotated[ConversationRepository, Depends(_conversations)]
RunRepositoryDep = Annotated[RunRepository, Depends(_runs)]


async def _idempotency_key(idempotency_key: Annotated[str | None, Header()] = None) -> str | None:
    if idempotency_key is None:
        return None
    if not 0 < len(idempotency_key) <= _MAX_KEY_CHARS or not (
        idempotency_key.isascii() and idempotency_key.isprintable()
    ):
        fault = FaultItem(
            ("header", "Idempotency-Key"), f"must be 1 to {_MAX_KEY_CHARS} printable ASCII characters", "bad_key"
        )
        raise InvalidInput("The Idempotency-Key can't be used.", errors=[fault])
    return idempotency_key


IdempotencyKey = Annotated[str | None, Depends(_idempotency_key)]
