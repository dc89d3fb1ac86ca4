"""Migrates the schema `deployments`."""

import os

from alembic import context

from agent_deployment_service.deployments import models as deployments
from agent_deployment_service.instances import models as instances
from agent_deployment_service.metadata import METADATA
from kgents_shared.db.migrations import run_env

TABLES = (deployments.DeploymentRow, deployments.RestartRequestRow, instances.InstanceRow)

if not context.config.get_main_option("sqlalchemy.url"):
    url = os.environ.get("DEPLOYMENT_DATABASE_URL", "")
    context.config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))

run_env(METADATA)
