"""`/api/v1/models`: the models that a caller may use, their providers' health, and the platform's Ollama."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any, cast

from fastapi import Depends, Request
from fastapi.responses import StreamingResponse

from agent_runtime_service.catalogue.schemas import HealthOfProviders, LocalModels, Models, PullModel
from agent_runtime_service.dependencies import CatalogueDep, LocalModelsDep, ManagementCalls, ModelsRead, ModelsWrite
from agent_runtime_service.event_streams import NO_BUFFER, sse, with_silences
from agent_runtime_service.gateway.accounts import operators_accounts
from agent_runtime_service.settings import RuntimeSettings
from kgents_shared.contracts.providers import KnownProviders
from kgents_shared.errors import ApiError
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/models", tags=["models"])
internal_router = Router(prefix="/internal/providers", include_in_schema=False)


async def _bearer(request: Request) -> str:
    """What the caller showed, once the route's principal was made of it."""
    return request.headers["authorization"]


Bearer = Annotated[str, Depends(_bearer)]


@router.get("", responses=refusals(503))
async def list_usable_models(_: ModelsRead, bearer: Bearer, catalogue: CatalogueDep) -> Models:
    """Every model of the platform's accounts and of the caller's own credentials, as the providers list them.

    An account whose provider can't be asked has no models here; `providers` says why.
    """
    return await catalogue.models(bearer)


@router.get("/health", responses=refusals(503))
async def check_providers(_: ModelsRead, bearer: Bearer, catalogue: CatalogueDep) -> HealthOfProviders:
    """Whether each account's provider can be reached and takes its key, and how long it took; asked twice a minute."""
    return HealthOfProviders(items=await catalogue.health(bearer))


@router.get("/ollama", responses=refusals(409, 502, 503, 504))
async def list_local_models(_: ModelsRead, local: LocalModelsDep) -> LocalModels:
    """What the platform's Ollama has, what of it is loaded, and how long its calls took."""
    return LocalModels(items=await local.models())


@router.post(
    "/ollama/pull",
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}}
    | refusals(404, 409, 502, 503, 504),
    response_class=StreamingResponse,
)
async def pull_model(body: PullModel, _: ModelsWrite, local: LocalModelsDep) -> StreamingResponse:
    """Have Ollama fetch a model, as server-sent events: `progress`, then `completed` or `failed`."""
    events = local.pull(body.model)
    first = await anext(events)  # what is refused at once has its status
    return StreamingResponse(_told(first, events), media_type="text/event-stream", headers=NO_BUFFER)


async def _told(
    first: tuple[str, dict[str, Any]], events: AsyncGenerator[tuple[str, dict[str, Any]]]
) -> AsyncGenerator[bytes]:
    """The events; a comment now and then keeps proxies from giving up while a layer is checked."""
    yield sse(*first)
    try:
        async for event in with_silences(events):
            yield b": still pulling\n\n" if event is None else sse(*event)
    except ApiError as error:
        yield sse("failed", {"code": error.code, "detail": error.detail, "status": error.status})


@internal_router.get("")
async def known_providers(request: Request, _: ManagementCalls) -> KnownProviders:
    """The providers that agents without a credential of their own can be answered by."""
    accounts = operators_accounts(cast("RuntimeSettings", request.app.state.settings).of_provider)
    return KnownProviders(providers=("echo", *(name for name, account in accounts.items() if account.is_set)))
