"""The agent management service as an app, and as whoever runs it sees it."""

from fastapi import FastAPI

from agent_management_service.agents.endpoints import router as agents_router
from agent_management_service.desired.endpoints import router as desired_router
from agent_management_service.flows.endpoints import router as flows_router
from agent_management_service.kinds.endpoints import router as kinds_router
from agent_management_service.labels.endpoints import router as labels_router
from agent_management_service.lifespan import lifespan
from agent_management_service.metadata import SCHEMA
from agent_management_service.personal_data import PERSONAL_DATA, delete_agents
from agent_management_service.profiles.endpoints import router as profiles_router
from agent_management_service.publishing.endpoints import router as publishing_router
from agent_management_service.reloads.endpoints import router as reloads_router
from agent_management_service.settings import ManagementSettings
from agent_management_service.templates.endpoints import router as templates_router
from agent_management_service.validation.endpoints import router as validation_router
from agent_management_service.validation.endpoints import schemas_router
from agent_management_service.versions.endpoints import router as versions_router
from agent_management_service.wrappers.endpoints import router as wrappers_router
from kgents_shared.auth import IdentitySource
from kgents_shared.definitions.flows.compile import MAX_FLOW_BYTES
from kgents_shared.http.app import ServiceFrame, build_service_app
from kgents_shared.http.service import ServiceDefinition
from kgents_shared.personal_data.endpoints import personal_data_router

_personal_data_router = personal_data_router(PERSONAL_DATA, delete_agents)


def create_app(settings: ManagementSettings | None = None, *, identity: IdentitySource | None = None) -> FastAPI:
    """The app; settings come from the environment where none are given. Nothing is opened before its lifespan."""
    return build_service_app(
        ServiceFrame(
            name="management",
            title="Kgents agent management",
            settings=settings or ManagementSettings.model_validate({}),
            lifespan=lifespan,
            routers=[
                # Before agents: a path that begins with a word of ours is no agent's.
                wrappers_router,
                profiles_router,
                agents_router,
                validation_router,
                schemas_router,
                publishing_router,
                versions_router,
                labels_router,
                reloads_router,
                flows_router,
                kinds_router,
                desired_router,
                templates_router,
                _personal_data_router,
            ],
            identity=identity,
            max_body_bytes=MAX_FLOW_BYTES,
        )
    )


SERVICE = ServiceDefinition(
    name="management",
    package="agent_management_service",
    schema=SCHEMA,
    settings_type=ManagementSettings,
    create_app=create_app,
)
