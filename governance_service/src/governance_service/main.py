"""The governance service as an app, and as whoever runs it sees it."""

from fastapi import FastAPI

from governance_service.approvals.endpoints import router as approvals_router
from governance_service.approvals.internal_endpoints import internal_router as internal_approvals_router
from governance_service.lifespan import lifespan
from governance_service.metadata import SCHEMA
from governance_service.personal_data import PERSONAL_DATA
from governance_service.policies.endpoints import router as policies_router
from governance_service.policies.internal_endpoints import internal_router as internal_policies_router
from governance_service.settings import GovernanceSettings
from kgents_shared.auth import IdentitySource
from kgents_shared.http.app import ServiceFrame, build_service_app
from kgents_shared.http.service import ServiceDefinition
from kgents_shared.personal_data.endpoints import personal_data_router

_personal_data_router = personal_data_router(PERSONAL_DATA)


def create_app(settings: GovernanceSettings | None = None, *, identity: IdentitySource | None = None) -> FastAPI:
    """The app; settings come from the environment where none are given. Nothing is opened before its lifespan."""
    return build_service_app(
        ServiceFrame(
            name="governance",
            title="Kgents governance",
            settings=settings or GovernanceSettings.model_validate({}),
            lifespan=lifespan,
            routers=[
                approvals_router,
                policies_router,
                internal_approvals_router,
                internal_policies_router,
                _personal_data_router,
            ],
            identity=identity,
        )
    )


SERVICE = ServiceDefinition(
    name="governance",
    package="governance_service",
    schema=SCHEMA,
    settings_type=GovernanceSettings,
    create_app=create_app,
)
