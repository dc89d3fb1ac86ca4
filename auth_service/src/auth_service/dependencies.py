"""What endpoints ask for in their signatures."""

from typing import Annotated, cast

from fastapi import Depends, Request

from auth_service.in_person import check_in_person
from auth_service.parts import Parts
from kgents_shared.auth import Principal, require
from kgents_shared.errors import Unavailable
from kgents_shared.http.client_address import client_network


def _parts(request: Request) -> Parts:
    return cast("Parts", request.app.state.parts)


PartsDep = Annotated[Parts, Depends(_parts)]


# The caller's address, as limits count it.
Network = Annotated[str, Depends(client_network)]


def _ready_parts(parts: PartsDep) -> Parts:
    if not parts.first_boot.done:
        raise Unavailable("This service is still preparing its database; try again.", code="starting")
    return parts


ReadyParts = Annotated[Parts, Depends(_ready_parts)]


def _in_person(principal: Annotated[Principal, Depends(require())]) -> Principal:
    check_in_person(principal)
    return principal


# Whoever has a token, but for what was lent out.
InPerson = Annotated[Principal, Depends(_in_person)]
