"""Migrates the schema `runtime`."""

import os

from alembic import context

from agent_runtime_service.a2a_protocol import models as a2a_protocol
from agent_runtime_service.budgets import models as budgets
from agent_runtime_service.capabilities import models as capabilities
from agent_runtime_service.conversations import models as conversations
from agent_runtime_service.gateway import models as gateway
from agent_runtime_service.instances import models as instances
from agent_runtime_service.memories import models as memories
from agent_runtime_service.metadata import METADATA
from agent_runtime_service.multi_agent import models as multi_agent
from agent_runtime_service.passing import models as passing
from agent_runtime_service.prices import models as prices
from agent_runtime_service.remote import models as remote
from agent_runtime_service.runs import models as runs
from agent_runtime_service.traces import models as traces
from kgents_shared.db.migrations import run_env

TABLES = (
    a2a_protocol.PublicCardRow,
    a2a_protocol.TaskPushRow,
    budgets.BudgetAllotmentRow,
    budgets.BudgetRow,
    budgets.BudgetWindowRow,
    capabilities.CapabilityKeyRow,
    capabilities.DeliveryRow,
    multi_agent.ContextMessageRow,
    multi_agent.ContextRow,
    multi_agent.ExchangeRow,
    multi_agent.ParticipantRow,
    multi_agent.QuoteRow,
    multi_agent.TurnRow,
    conversations.ConversationRow,
    conversations.StepRow,
    gateway.KeptAnswerRow,
    gateway.ModelCallRow,
    instances.AgentActivityRow,
    instances.InstanceRow,
    memories.EmbeddingRow,
    memories.MemoryCopyingRow,
    memories.MemoryRemovalRow,
    memories.MemoryRow,
    memories.MemorySpaceRow,
    memories.MemoryVersionRow,
    passing.PassingConversationRow,
    prices.ModelPriceRow,
    remote.RemoteContextRow,
    runs.RunRow,
    runs.ToolCallRow,
    traces.RunIncidentRow,
    traces.RunOriginRow,
)

if not context.config.get_main_option("sqlalchemy.url"):
    url = os.environ.get("RUNTIME_DATABASE_URL", "")
    context.config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))

run_env(METADATA, made_as_needed="memory_vectors_")
