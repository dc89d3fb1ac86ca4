"""What lets agents work together, put on the app's state: capabilities, contexts, and questions from agent to agent."""

from contextlib import AsyncExitStack
from typing import cast

from fastapi import FastAPI

from agent_runtime_service.asking.service import AskingService
from agent_runtime_service.capabilities.deliveries import DELIVERIES_KEPT, DeliveryLog
from agent_runtime_service.capabilities.registry import CapabilityRegistry
from agent_runtime_service.capabilities.repository import DeliveryRepository
from agent_runtime_service.capabilities.service import CapabilityService
from agent_runtime_service.conversations.repository import ConversationRepository
from agent_runtime_service.instances.directory import InstanceDirectory
from agent_runtime_service.messages.finder import AgentFinder
from agent_runtime_service.messages.service import MessageService
from agent_runtime_service.multi_agent.endings import Endings
from agent_runtime_service.multi_agent.exchanges import ExchangeDriver
from agent_runtime_service.multi_agent.ledger import ExchangeLedger
from agent_runtime_service.multi_agent.repository import ContextRepository
from agent_runtime_service.multi_agent.service import MultiAgentService
from agent_runtime_service.runs.repository import RunRepository
from agent_runtime_service.settings import RuntimeSettings
from agent_runtime_service.traces.notes import RunNotes
from kgents_shared.db import HotPool
from kgents_shared.events import EventBus
from kgents_shared.http.background import BackgroundTasks


class ManyAgents:
    """Made when the app starts; `start` runs what runs beside the requests."""

    def __init__(self, app: FastAPI, pool: HotPool, directory: InstanceDirectory, finder: AgentFinder) -> None:
        messages: MessageService = app.state.messages
        stored: RunRepository = app.state.run_repository
        notes: RunNotes = app.state.run_notes
        conversations: ConversationRepository = app.state.conversations
        deliveries = DeliveryRepository(pool)
        self._deliveries = DeliveryLog(pool, deliveries, DELIVERIES_KEPT)
        registry = CapabilityRegistry(directory)
        capabilities = CapabilityService(registry, messages, finder, conversations, deliveries, self._deliveries)
        lease_s = cast("RuntimeSettings", app.state.settings).lease_s
        ledger = ExchangeLedger(pool, lease_s)
        self._endings = Endings()
        self._exchanges = ExchangeDriver(ledger, messages, self._endings)
        self._exchanges_every_s = lease_s / 3
        app.state.multi_agent = MultiAgentService(
            ContextRepository(pool), ledger, self._exchanges, finder, self._endings
        )
        app.state.deliveries = deliveries
        app.state.capabilities = capabilities
        app.state.asking = AskingService(messages, finder, stored, capabilities, notes)

    def start(self, tasks: BackgroundTasks, stack: AsyncExitStack, bus: EventBus) -> None:
        """Run what is endless; `stack` writes what is left when all has ended."""
        tasks.start("runtime deliveries", self._deliveries.run)
        tasks.start("runtime contexts", lambda: self._exchanges.keep(self._exchanges_every_s))
        tasks.start("runtime contexts elsewhere", lambda: self._endings.hear(bus))
        stack.push_async_callback(self._deliveries.close)
        stack.push_async_callback(self._exchanges.stop)
