"""GET|PUT /users/me, and what the siblings ask about people."""

from typing import Annotated

from fastapi import Depends, Path

from auth_service.dependencies import InPerson, PartsDep
from auth_service.users import service
from auth_service.users.schemas import ProfileChange, UserView
from kgents_shared.auth import Principal, require, require_service
from kgents_shared.contracts.standing import Standing
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/users", tags=["users"])
internal_router = Router(prefix="/internal/people", include_in_schema=False)
Anyone = Annotated[Principal, Depends(require())]
StandingCalls = Annotated[Principal, Depends(require_service("governance", "runtime"))]
Subject = Annotated[str, Path(max_length=200, description="a token's `sub`")]


@router.get("/me", responses=refusals(404))
async def get_my_profile(principal: Anyone, parts: PartsDep) -> UserView:
    """The person who asks."""
    async with parts.storage.transaction() as work:
        return _view(await service.profile(work, principal.subject))


@router.put("/me", responses=refusals(404))
async def put_my_profile(body: ProfileChange, principal: InPerson, parts: PartsDep) -> UserView:
    """Change what people may change of themselves: the name."""
    async with parts.storage.transaction() as work:
        return _view(await service.rename(work, principal.subject, body.name))


@internal_router.get("/{subject}/standing")
async def get_standing(subject: Subject, _: StandingCalls, parts: PartsDep) -> Standing:
    """What a person may at this moment, by their roles and organisations, whatever their tokens say."""
    async with parts.storage.transaction() as work:
        return await service.standing(work, subject)


def _view(profile: service.Profile) -> UserView:
    user = profile.user
    return UserView(
        id=user.id,
        email=user.email,
        name=user.name,
        roles=sorted(user.roles),
        scopes=sorted(profile.scopes),
        created_at=user.created_at,
    )
