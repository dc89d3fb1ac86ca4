"""Migrates the schema `identity`; the address is the caller's, or AUTH_DATABASE_URL."""

import os

from alembic import context

from auth_service.api_keys import models as api_keys
from auth_service.keys import models as signing_keys
from auth_service.limits import models as limits
from auth_service.machines import models as machines
from auth_service.mail import models as mail
from auth_service.oidc import models as oidc
from auth_service.organisations import models as organisations
from auth_service.people import models as people
from auth_service.personal_data import models as personal_data
from auth_service.revocations import models as revocations
from auth_service.roles import models as roles
from auth_service.schema import Base
from auth_service.tokens import models as tokens
from auth_service.users import models as users
from auth_service.vault.control_plane import models as control_plane
from auth_service.vault.credentials import models as credentials
from auth_service.vault.rotation import models as vault_keys
from kgents_shared.db.migrations import run_env

MODELS = (
    api_keys,
    limits,
    machines,
    mail,
    oidc,
    organisations,
    revocations,
    people,
    personal_data,
    roles,
    signing_keys,
    tokens,
    users,
    control_plane,
    credentials,
    vault_keys,
)  # imported so that their tables are known

if not context.config.get_main_option("sqlalchemy.url"):
    context.config.set_main_option("sqlalchemy.url", os.environ.get("AUTH_DATABASE_URL", "").replace("%", "%%"))
run_env(Base.metadata)
