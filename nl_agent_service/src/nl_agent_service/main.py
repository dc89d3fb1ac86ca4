"""The service that drafts agents, as an app and as whoever runs it sees it."""

from fastapi import FastAPI

from kgents_shared.auth import IdentitySource
from kgents_shared.http.app import ServiceFrame, build_service_app
from kgents_shared.http.service import ServiceDefinition
from kgents_shared.personal_data.endpoints import personal_data_router
from nl_agent_service.drafts.endpoints import router as drafts_router
from nl_agent_service.lifespan import lifespan
from nl_agent_service.metadata import SCHEMA
from nl_agent_service.personal_data import PERSONAL_DATA
from nl_agent_service.settings import NlSettings

_MAX_BODY_BYTES = 64 * 1024

_personal_data_router = personal_data_router(PERSONAL_DATA)


def create_app(settings: NlSettings | None = None, *, identity: IdentitySource | None = None) -> FastAPI:
    """The app; settings come from the environment where none are given. Nothing is opened before its lifespan."""
    return build_service_app(
        ServiceFrame(
            name="nl",
            title="Kgents agents out of plain language",
            settings=settings or NlSettings.model_validate({}),
            lifespan=lifespan,
            routers=[drafts_router, _personal_data_router],
            identity=identity,
            max_body_bytes=_MAX_BODY_BYTES,
        )
    )


SERVICE = ServiceDefinition(
    name="nl",
    package="nl_agent_service",
    schema=SCHEMA,
    settings_type=NlSettings,
    create_app=create_app,
)
