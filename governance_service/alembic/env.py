"""Migrates the schema `governance`."""

import os

from alembic import context

from governance_service.approvals import models as approvals
from governance_service.metadata import METADATA
from kgents_shared.db.migrations import run_env

TABLES = (approvals.ApprovalRow, approvals.ApprovalRecordRow)

if not context.config.get_main_option("sqlalchemy.url"):
    url = os.environ.get("GOVERNANCE_DATABASE_URL", "")
    context.config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))

run_env(METADATA)
