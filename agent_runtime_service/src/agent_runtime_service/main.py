"""The agent runtime as an app, and as whoever runs it sees it."""

from fastapi import FastAPI

from agent_runtime_service.asking.endpoints import router as asking_router
from agent_runtime_service.completions.endpoints import router as completions_router
from agent_runtime_service.conversations.endpoints import router as conversations_router
from agent_runtime_service.instances.endpoints import router as instances_router
from agent_runtime_service.lifespan import lifespan
from agent_runtime_service.memories.endpoints import internal_router as internal_memories_router
from agent_runtime_service.memories.endpoints import router as memories_router
from agent_runtime_service.messages.endpoints import router as messages_router
from agent_runtime_service.metadata import SCHEMA
from agent_runtime_service.runs.endpoints import router as runs_router
from agent_runtime_service.settings import RuntimeSettings
from kgents_shared.auth import IdentitySource
from kgents_shared.http.app import ServiceFrame, build_service_app
from kgents_shared.http.service import ServiceDefinition


def create_app(settings: RuntimeSettings | None = None, *, identity: IdentitySource | None = None) -> FastAPI:
    """The app; settings come from the environment where none are given. Nothing is opened before its lifespan."""
    return build_service_app(
        ServiceFrame(
            name="runtime",
            title="Kgents agent runtime",
            settings=settings or RuntimeSettings.model_validate({}),
            lifespan=lifespan,
            routers=[
                messages_router,
                conversations_router,
                runs_router,
                memories_router,
                instances_router,
                completions_router,
                internal_memories_router,
                asking_router,
            ],
            identity=identity,
        )
    )


SERVICE = ServiceDefinition(
    name="runtime",
    package="agent_runtime_service",
    schema=SCHEMA,
    settings_type=RuntimeSettings,
    create_app=create_app,
)
