"""The agent runtime as an app, and as whoever runs it sees it."""

from fastapi import FastAPI

from agent_runtime_service.a2a_protocol.endpoints import router as a2a_router
from agent_runtime_service.a2a_protocol.endpoints import rpc_router as a2a_rpc_router
from agent_runtime_service.asking.endpoints import router as asking_router
from agent_runtime_service.budgets.endpoints import router as budgets_router
from agent_runtime_service.capabilities.endpoints import internal_router as internal_capabilities_router
from agent_runtime_service.capabilities.endpoints import router as capabilities_router
from agent_runtime_service.catalogue.endpoints import internal_router as providers_router
from agent_runtime_service.catalogue.endpoints import router as catalogue_router
from agent_runtime_service.completions.endpoints import router as completions_router
from agent_runtime_service.context.endpoints import router as context_router
from agent_runtime_service.conversations.endpoints import router as conversations_router
from agent_runtime_service.instances.endpoints import activity_router
from agent_runtime_service.instances.endpoints import router as instances_router
from agent_runtime_service.lifespan import lifespan
from agent_runtime_service.memories.endpoints import platform_router as memory_platform_router
from agent_runtime_service.memories.endpoints import router as memories_router
from agent_runtime_service.memories.internal_endpoints import router as internal_memories_router
from agent_runtime_service.messages.endpoints import router as messages_router
from agent_runtime_service.metadata import SCHEMA
from agent_runtime_service.multi_agent.endpoints import router as contexts_router
from agent_runtime_service.openai_api.endpoints import router as openai_router
from agent_runtime_service.openai_api.response_endpoints import router as responses_router
from agent_runtime_service.personal_data import PERSONAL_DATA, end_and_drop
from agent_runtime_service.prices.endpoints import router as prices_router
from agent_runtime_service.replays.endpoints import router as replays_router
from agent_runtime_service.runs.endpoints import router as runs_router
from agent_runtime_service.settings import RuntimeSettings
from agent_runtime_service.spending.endpoints import router as usage_router
from agent_runtime_service.traces.endpoints import router as traces_router
from kgents_shared.auth import IdentitySource
from kgents_shared.http.app import ServiceFrame, build_service_app
from kgents_shared.http.service import ServiceDefinition
from kgents_shared.personal_data.endpoints import personal_data_router

# Messages bring images, which base64 makes a third larger.
_MAX_BODY_BYTES = 8 * 1024 * 1024

_personal_data_router = personal_data_router(PERSONAL_DATA, end_and_drop)


def create_app(settings: RuntimeSettings | None = None, *, identity: IdentitySource | None = None) -> FastAPI:
    """The app; settings come from the environment where none are given. Nothing is opened before its lifespan."""
    return build_service_app(
        ServiceFrame(
            name="runtime",
            title="Kgents agent runtime",
            settings=settings or RuntimeSettings.model_validate({}),
            lifespan=lifespan,
            max_body_bytes=_MAX_BODY_BYTES,
            routers=[
                messages_router,
                conversations_router,
                context_router,
                _personal_data_router,
                runs_router,
                traces_router,
                replays_router,
                memories_router,
                memory_platform_router,
                instances_router,
                activity_router,
                completions_router,
                internal_memories_router,
                asking_router,
                catalogue_router,
                providers_router,
                prices_router,
                budgets_router,
                usage_router,
                capabilities_router,
                internal_capabilities_router,
                contexts_router,
                openai_router,
                responses_router,
                a2a_router,
                a2a_rpc_router,
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
