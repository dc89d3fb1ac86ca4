"""What endpoints ask for in their signatures: who calls, and the services that live on the app."""

from typing import Annotated, cast

from fastapi import Depends, Request

from agent_runtime_service.asking.service import AskingService
from agent_runtime_service.budgets.service import BudgetService
from agent_runtime_service.cancelling.service import CancellingService
from agent_runtime_service.capabilities.repository import DeliveryRepository
from agent_runtime_service.capabilities.service import CapabilityService
from agent_runtime_service.catalogue.ollama import LocalModelService
from agent_runtime_service.catalogue.service import Catalogue
from agent_runtime_service.completions.service import CompletionService
from agent_runtime_service.context.service import ContextService
from agent_runtime_service.conversations.repository import ConversationRepository
from agent_runtime_service.instances.activity import AgentActivity
from agent_runtime_service.instances.directory import InstanceDirectory
from agent_runtime_service.instances.service import InstanceService
from agent_runtime_service.memories.copying import VectorCopying
from agent_runtime_service.memories.service import MemoryService
from agent_runtime_service.messages.finder import AgentFinder
from agent_runtime_service.messages.service import MessageService
from agent_runtime_service.multi_agent.service import MultiAgentService
from agent_runtime_service.prices.service import PriceService
from agent_runtime_service.replays.service import ReplayService
from agent_runtime_service.runs.repository import RunRepository
from agent_runtime_service.runs.watching import RunWatch
from agent_runtime_service.spending.repository import UsageRepository
from agent_runtime_service.traces.service import TraceService
from kgents_shared.auth import Principal, require, require_service

may_invoke = require("agents:invoke")
AgentsInvoke = Annotated[Principal, Depends(may_invoke)]
AgentsRead = Annotated[Principal, Depends(require("agents:read"))]
RunsReplay = Annotated[Principal, Depends(require("agents:invoke", "runs:read"))]
RunsRead = Annotated[Principal, Depends(require("runs:read"))]
RunsWrite = Annotated[Principal, Depends(require("runs:write"))]
ConversationsRead = Annotated[Principal, Depends(require("conversations:read"))]
ConversationsWrite = Annotated[Principal, Depends(require("conversations:write"))]
AgentsWrite = Annotated[Principal, Depends(require("agents:write"))]
ModelsRead = Annotated[Principal, Depends(require("models:read"))]
ModelsWrite = Annotated[Principal, Depends(require("models:write"))]
BudgetsRead = Annotated[Principal, Depends(require("budgets:read"))]
BudgetsWrite = Annotated[Principal, Depends(require("budgets:write"))]
UsageRead = Annotated[Principal, Depends(require("usage:read"))]
DeploymentCalls = Annotated[Principal, Depends(require_service("deployment"))]
ToolsCalls = Annotated[Principal, Depends(require_service("tools"))]
ManagementCalls = Annotated[Principal, Depends(require_service("management"))]
NlCalls = Annotated[Principal, Depends(require_service("nl"))]


async def _finder(request: Request) -> AgentFinder:
    return cast("AgentFinder", request.app.state.finder)


async def _instances(request: Request) -> InstanceService:
    return cast("InstanceService", request.app.state.instances)


async def _activity(request: Request) -> AgentActivity:
    return cast("AgentActivity", request.app.state.agent_activity)


async def _conversations(request: Request) -> ConversationRepository:
    return cast("ConversationRepository", request.app.state.conversations)


async def _context(request: Request) -> ContextService:
    return cast("ContextService", request.app.state.context)


async def _memories(request: Request) -> MemoryService:
    return cast("MemoryService", request.app.state.memories)


async def _copying(request: Request) -> VectorCopying:
    return cast("VectorCopying", request.app.state.vector_copying)


async def _asking(request: Request) -> AskingService:
    return cast("AskingService", request.app.state.asking)


async def _capabilities(request: Request) -> CapabilityService:
    return cast("CapabilityService", request.app.state.capabilities)


async def _multi_agent(request: Request) -> MultiAgentService:
    return cast("MultiAgentService", request.app.state.multi_agent)


async def _instances_known(request: Request) -> InstanceDirectory:
    return cast("InstanceDirectory", request.app.state.directory)


async def _deliveries(request: Request) -> DeliveryRepository:
    return cast("DeliveryRepository", request.app.state.deliveries)


async def _messages(request: Request) -> MessageService:
    return cast("MessageService", request.app.state.messages)


async def _runs(request: Request) -> RunRepository:
    return cast("RunRepository", request.app.state.run_repository)


async def _cancelling(request: Request) -> CancellingService:
    return cast("CancellingService", request.app.state.cancelling)


async def _run_watch(request: Request) -> RunWatch:
    return cast("RunWatch", request.app.state.run_watch)


async def _completions(request: Request) -> CompletionService:
    return cast("CompletionService", request.app.state.completions)


async def _prices(request: Request) -> PriceService:
    return cast("PriceService", request.app.state.money.prices)


async def _budgets(request: Request) -> BudgetService:
    return cast("BudgetService", request.app.state.money.budgets)


async def _usage(request: Request) -> UsageRepository:
    return cast("UsageRepository", request.app.state.money.usage)


async def _traces(request: Request) -> TraceService:
    return cast("TraceService", request.app.state.traces)


async def _catalogue(request: Request) -> Catalogue:
    return cast("Catalogue", request.app.state.catalogue)


async def _local_models(request: Request) -> LocalModelService:
    return cast("LocalModelService", request.app.state.local_models)


CatalogueDep = Annotated[Catalogue, Depends(_catalogue)]
LocalModelsDep = Annotated[LocalModelService, Depends(_local_models)]


async def _replays(request: Request) -> ReplayService:
    return cast("ReplayService", request.app.state.replays)


PriceServiceDep = Annotated[PriceService, Depends(_prices)]
BudgetServiceDep = Annotated[BudgetService, Depends(_budgets)]
UsageRepositoryDep = Annotated[UsageRepository, Depends(_usage)]
AskingDep = Annotated[AskingService, Depends(_asking)]
CapabilitiesDep = Annotated[CapabilityService, Depends(_capabilities)]
MultiAgentDep = Annotated[MultiAgentService, Depends(_multi_agent)]
InstancesKnownDep = Annotated[InstanceDirectory, Depends(_instances_known)]
DeliveriesDep = Annotated[DeliveryRepository, Depends(_deliveries)]
MessagesDep = Annotated[MessageService, Depends(_messages)]
AgentFinderDep = Annotated[AgentFinder, Depends(_finder)]
CompletionServiceDep = Annotated[CompletionService, Depends(_completions)]
AgentActivityDep = Annotated[AgentActivity, Depends(_activity)]
InstanceServiceDep = Annotated[InstanceService, Depends(_instances)]
ContextServiceDep = Annotated[ContextService, Depends(_context)]
ConversationRepositoryDep = Annotated[ConversationRepository, Depends(_conversations)]
MemoryServiceDep = Annotated[MemoryService, Depends(_memories)]
VectorCopyingDep = Annotated[VectorCopying, Depends(_copying)]
RunRepositoryDep = Annotated[RunRepository, Depends(_runs)]
TraceServiceDep = Annotated[TraceService, Depends(_traces)]
CancellingDep = Annotated[CancellingService, Depends(_cancelling)]
RunWatchDep = Annotated[RunWatch, Depends(_run_watch)]
ReplayServiceDep = Annotated[ReplayService, Depends(_replays)]
