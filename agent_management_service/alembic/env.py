"""Migrates the schema `agents`."""

import os

from alembic import context

from agent_management_service.agents import models as agents
from agent_management_service.flows import models as flows
from agent_management_service.idempotency import models as idempotency
from agent_management_service.kinds import models as kinds
from agent_management_service.metadata import METADATA
from agent_management_service.profiles import models as profiles
from agent_management_service.reloads import models as reloads
from agent_management_service.versions import models as versions
from agent_management_service.wrappers import models as wrappers
from kgents_shared.db.migrations import run_env

TABLES = (
    agents.AgentRow,
    flows.FlowRow,
    idempotency.IdempotencyRow,
    kinds.KindRow,
    reloads.ReloadRow,
    versions.VersionRow,
    profiles.AttestationRow,
    wrappers.WrapperRow,
)

if not context.config.get_main_option("sqlalchemy.url"):
    url = os.environ.get("MANAGEMENT_DATABASE_URL", "")
    context.config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))

run_env(METADATA)
