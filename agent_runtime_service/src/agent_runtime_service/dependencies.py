"""What endpoints ask for in their signatures: who calls, and the services that live on the app."""

from typing import Annotated, cast

from fastapi import Depends, Request

from agent_runtime_service.asking.service import AskingService
from agent_runtime_service.completions.service import CompletionService
from agent_runtime_service.conversations.repository import ConversationRepository
from agent_runtime_service.instances.service import InstanceService
from agent_runtime_service.memories.repository import MemoryRepository
from agent_runtime_service.messages.finder import AgentFinder
from agent_runtime_service.runs.repository import RunRepository
from kgents_shared.auth import Principal, require, require_service

AgentsInvoke = Annotated[Principal, Depends(require("agents:invoke"))]
RunsRead = Annotated[Principal, Depends(require("runs:read"))]
ConversationsRead = Annotated[Principal, Depends(require("conversations:read"))]
AgentsWrite = Annotated[Principal, Depends(require("agents:write"))]
DeploymentCalls = Annotated[Principal, Depends(require_service("deployment"))]
ToolsCalls = Annotated[Principal, Depends(require_service("tools"))]
NlCalls = Annotated[Principal, Depends(require_service("nl"))]


async def _finder(request: Request) -> AgentFinder:
    return cast("AgentFinder", request.app.state.finder)


async def _instances(request: Request) -> InstanceService:
    return cast("InstanceService", request.app.state.instances)


async def _conversations(request: Request) -> ConversationRepository:
    return cast("ConversationRepository", request.app.state.conversations)


async def _memories(request: Request) -> MemoryRepository:
    return cast("MemoryRepository", request.app.state.memories)


async def _asking(request: Request) -> AskingService:
    return cast("AskingService", request.app.state.asking)


async def _runs(request: Request) -> RunRepository:
    return cast("RunRepository", request.app.state.run_repository)


async def _completions(request: Request) -> CompletionService:
    return cast("CompletionService", request.app.state.completions)


AskingDep = Annotated[AskingService, Depends(_asking)]
AgentFinderDep = Annotated[AgentFinder, Depends(_finder)]
CompletionServiceDep = Annotated[CompletionService, Depends(_completions)]
InstanceServiceDep = Annotated[InstanceService, Depends(_instances)]
ConversationRepositoryDep = Annotated[ConversationRepository, Depends(_conversations)]
MemoryRepositoryDep = Annotated[MemoryRepository, Depends(_memories)]
RunRepositoryDep = Annotated[RunRepository, Depends(_runs)]
