"""The path table as data (DESIGN §2): alias rules, owners, reserved names."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, cast
from uuid import UUID

API_PREFIX = "/api/v1"


@dataclass(frozen=True, slots=True)
class Route:
    """One row: the segments below /api/v1 (or of the root path) and the service that owns them.

    `max_body_bytes` is what a gateway lets through there, where that isn't what it lets through everywhere.
    """

    segments: tuple[str, ...]
    service: str
    below_api: bool
    max_body_bytes: int | None = None

    @property
    def path(self) -> str:
        """The path as it stands in a gateway's configuration, e.g. `/api/v1/agents/{agent}/message`."""
        return (API_PREFIX if self.below_api else "") + "/" + "/".join(self.segments)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes: the service and the canonical path to ask it for."""

    service: str
    path: str


@dataclass(frozen=True, slots=True)
class PathTable:
    """The parsed table; `resolve` is the only question that is asked of it."""

    routes: tuple[Route, ...]
    services: dict[str, str]
    short_prefixes: tuple[str, ...]
    server_only_header_prefixes: tuple[str, ...]

    def canonical(self, path: str) -> str:
        """`path` after the three alias rules; unchanged where none applies."""
        if path.startswith("/api/") and not path.startswith(API_PREFIX + "/"):
            path = API_PREFIX + path[len("/api") :]
        first = path[1:].split("/", 1)[0]
        if first in self.short_prefixes:
            path = API_PREFIX + path
        doubled = API_PREFIX + "/multi_agent/multi_agent"
        if path == doubled or path.startswith(doubled + "/"):
            path = API_PREFIX + "/multi_agent" + path[len(doubled) :]
        return path

    def resolve(self, path: str) -> Target | None:
        """The owner of `path` (no query string), or None where the table has no row for it."""
        path = self.canonical(path)
        below_api = path.startswith(API_PREFIX + "/")
        tail = path[len(API_PREFIX) :] if below_api else path
        segments = tuple(tail.strip("/").split("/"))
        best: Route | None = None
        best_rank: tuple[tuple[bool, ...], int] | None = None
        for route in self.routes:
            if route.below_api != below_api or not _matches(route, segments):
                continue
            rank = (tuple(not part.startswith("{") for part in route.segments), len(route.segments))
            if best_rank is None or rank > best_rank:
                best, best_rank = route, rank
        return None if best is None else Target(best.service, path)


def _matches(route: Route, segments: tuple[str, ...]) -> bool:
    if len(route.segments) > len(segments) or (not route.below_api and len(route.segments) != len(segments)):
        return False
    return all(part.startswith("{") or part == have for part, have in zip(route.segments, segments, strict=False))


@cache
def load_path_table() -> PathTable:
    """The table that ships with this package, parsed once."""
    text = resources.files("kgents_shared.contracts").joinpath("path_table.toml").read_text("utf-8")
    data = tomllib.loads(text)
    services = cast("dict[str, dict[str, Any]]", data["services"])
    routes: list[Route] = []
    for name, row in services.items():
        larger = row.get("larger_bodies", {})
        routes += [Route(tuple(api.split("/")), name, True, larger.get(api)) for api in row["api"]]
        routes += [Route(tuple(root[1:].split("/")), name, False, larger.get(root)) for root in row.get("root", ())]
    return PathTable(
        routes=tuple(routes),
        services={name: row["package"] for name, row in services.items()},
        short_prefixes=tuple(data["short_prefixes"]),
        server_only_header_prefixes=tuple(data["server_only_header_prefixes"]),
    )


def _reserved_names() -> frozenset[str]:
    text = resources.files("kgents_shared.contracts").joinpath("path_table.toml").read_text("utf-8")
    return frozenset(tomllib.loads(text)["reserved"]["agent_names"])


def parses_as_uuid(name: str) -> bool:
    """Whether `name` would be taken for an id where `{agent}` stands."""
    try:
        UUID(name)
    except ValueError:
        return False
    return True


RESERVED_AGENT_NAMES: frozenset[str] = _reserved_names()
