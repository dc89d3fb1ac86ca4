"""Migrates the schema `nl`."""

import os

from alembic import context

from kgents_shared.db.migrations import run_env
from nl_agent_service.drafts import models as drafts
from nl_agent_service.metadata import METADATA

TABLES = (drafts.DraftRow,)

if not context.config.get_main_option("sqlalchemy.url"):
    url = os.environ.get("NL_DATABASE_URL", "")
    context.config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))

run_env(METADATA)
