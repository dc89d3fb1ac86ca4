"""The router of every service's endpoints."""

from enum import Enum

from fastapi import APIRouter
from fastapi.routing import APIRoute


class Router(APIRouter):
    """A router whose routes are whole where they are written: any number of apps take them as they stand.

    `include_router` would build each of them once more for every app, which is most of what making an app costs.
    """

    def __init__(
        self,
        *,
        prefix: str = "",
        tags: list[str | Enum] | None = None,
        route_class: type[APIRoute] = APIRoute,
        include_in_schema: bool = True,
    ) -> None:
        super().__init__(
            prefix=prefix,
            tags=tags,
            route_class=route_class,
            include_in_schema=include_in_schema,
            generate_unique_id_function=lambda route: route.name,  # what a document calls the operation
        )
