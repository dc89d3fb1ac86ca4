"""`GET|DELETE /internal/people/{subject}/data` of a service, asked by the auth service alone."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, cast

from fastapi import Depends, FastAPI, Path, Request
from fastapi.responses import StreamingResponse

from kgents_shared.auth import Principal, require_service
from kgents_shared.http.routing import Router
from kgents_shared.http.settings import ServiceSettings
from kgents_shared.personal_data.tables import PersonalData

AuthCalls = Annotated[Principal, Depends(require_service("auth"))]
Subject = Annotated[str, Path(min_length=1, max_length=200, description="a token's `sub`")]
Before = Callable[[FastAPI, str], Awaitable[None]]


def personal_data_router(data: PersonalData, before_erasing: Before | None = None) -> Router:
    """The two routes; `before_erasing` does what has to be done by the service's own rules, and may be done again."""
    router = Router(prefix="/internal/people/{subject}/data", include_in_schema=False)

    @router.get("")
    async def give_out(subject: Subject, _: AuthCalls, request: Request) -> StreamingResponse:
        """What is kept of a person, as lines of JSON."""
        lines = data.export(_database_url(request.app), subject)
        return StreamingResponse(lines, media_type="application/x-ndjson")

    @router.delete("")
    async def erase(subject: Subject, _: AuthCalls, request: Request) -> dict[str, Any]:
        """Erase what is kept of a person; `left` counts what has to wait, so that it is to be asked for again."""
        if before_erasing is not None:
            await before_erasing(request.app, subject)
        return {"left": await data.erase(_database_url(request.app), subject)}

    return router


def _database_url(app: FastAPI) -> str:
    return cast("ServiceSettings", app.state.settings).database_url.get_secret_value()
