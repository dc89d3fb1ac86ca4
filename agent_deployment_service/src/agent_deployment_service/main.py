"""The agent deployment service as an app, and as whoever runs it sees it."""

from fastapi import FastAPI

from agent_deployment_service.deployments.endpoints import router as deployments_router
from agent_deployment_service.deployments.internal_endpoints import router as observing_router
from agent_deployment_service.lifespan import lifespan
from agent_deployment_service.metadata import SCHEMA
from agent_deployment_service.personal_data import PERSONAL_DATA
from agent_deployment_service.processes.endpoints import router as processes_router
from agent_deployment_service.settings import DeploymentSettings
from agent_deployment_service.shells.endpoints import router as shells_router
from agent_deployment_service.wanted.endpoints import router as wanted_router
from kgents_shared.auth import IdentitySource
from kgents_shared.http.app import ServiceFrame, build_service_app
from kgents_shared.http.service import ServiceDefinition
from kgents_shared.personal_data.endpoints import personal_data_router

_personal_data_router = personal_data_router(PERSONAL_DATA)


def create_app(settings: DeploymentSettings | None = None, *, identity: IdentitySource | None = None) -> FastAPI:
    """The app; settings come from the environment where none are given. Nothing is opened before its lifespan."""
    return build_service_app(
        ServiceFrame(
            name="deployment",
            title="Kgents agent deployment",
            settings=settings or DeploymentSettings.model_validate({}),
            lifespan=lifespan,
            routers=[
                deployments_router,
                observing_router,
                processes_router,
                shells_router,
                wanted_router,
                _personal_data_router,
            ],
            identity=identity,
        )
    )


SERVICE = ServiceDefinition(
    name="deployment",
    package="agent_deployment_service",
    schema=SCHEMA,
    settings_type=DeploymentSettings,
    create_app=create_app,
)
