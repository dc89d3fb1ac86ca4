"""Migrates the schema `runtime`."""

import os

from alembic import context

from agent_runtime_service.conversations import models as conversations
from agent_runtime_service.gateway import models as gateway
from agent_runtime_service.instances import models as instances
from agent_runtime_service.memories import models as memories
from agent_runtime_service.metadata import METADATA
from agent_runtime_service.runs import models as runs
from kgents_shared.db.migrations import run_env

TABLES = (
    conversations.ConversationRow,
    conversations.StepRow,
    gateway.ModelCallRow,
    instances.InstanceRow,
    memories.MemoryRow,
    runs.RunRow,
    runs.ToolCallRow,
)

if not context.config.get_main_option("sqlalchemy.url"):
    url = os.environ.get("RUNTIME_DATABASE_URL", "")
    context.config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))

run_env(METADATA)
