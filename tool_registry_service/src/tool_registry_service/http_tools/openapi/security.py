"""How an operation wants to be shown who asks."""

from collections.abc import Mapping
from typing import Any, cast

from pydantic import ValidationError

from tool_registry_service.http_tools.definition import Placement
from tool_registry_service.http_tools.openapi.documents import ApiDocument, Unfollowed


def placement_of(document: ApiDocument, operation: Mapping[str, Any]) -> Placement | None:
    """Where the credential goes; None where the operation is open.

    Raises:
        Unfollowed: none of the ways that the operation takes is known here.
    """
    wanted = operation.get("security", document.data.get("security"))
    if not isinstance(wanted, list) or not wanted:
        return None
    is_open = False
    for requirement in cast("list[Any]", wanted):
        names = list(cast("Mapping[str, Any]", requirement)) if isinstance(requirement, Mapping) else []
        is_open = is_open or not names
        if len(names) == 1 and (placement := _placement(document, names[0])) is not None:
            return placement
    if is_open:
        return None
    raise Unfollowed("wants to be shown who asks in a way that isn't known here")


def _placement(document: ApiDocument, name: str) -> Placement | None:
    components = document.data.get("components")
    schemes = cast("Mapping[str, Any]", components).get("securitySchemes") if isinstance(components, Mapping) else None
    if not isinstance(schemes, Mapping) or name not in schemes:
        return None
    scheme = document.followed(cast("Mapping[str, Any]", schemes)[name])
    known = cast("Mapping[str, Any]", scheme if isinstance(scheme, Mapping) else {})
    match known.get("type"), str(known.get("scheme", "")).lower(), known.get("in"):
        case ("http", "bearer", _) | ("oauth2", _, _) | ("openIdConnect", _, _):
            return Placement(scheme="bearer")
        case ("http", "basic", _):
            return Placement(scheme="basic")
        case ("apiKey", _, "header" | "query" as place):
            try:
                return Placement(scheme=place, name=str(known.get("name", "")))
            except ValidationError:
                return None
        case _:
            return None
