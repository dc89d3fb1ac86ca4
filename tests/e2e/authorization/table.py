"""The authorization matrix as `table.txt` says it, and the routes that the services have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

from fastapi.routing import iter_route_contexts

from tests.architecture.service_apps import recorded_document, service_apps

ROLES = {"A": "admin", "D": "developer", "O": "operator", "V": "viewer", "P": "approver"}
# Every service's own, for probes and for this table; neither says anything of anybody.
_OF_EVERY_SERVICE = {"/health", "/openapi.json"}
_SERVICES = "services: "


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    service: str
    method: str
    path: str
    opens_to: str
    roles: frozenset[str]
    another: dict[str, int]
    is_own: bool
    is_all: bool

    @property
    def route(self) -> str:
        """`METHOD path`."""
        return f"{self.method} {self.path}"

    @property
    def callers(self) -> frozenset[str] | None:
        """The services that may call it; None for a public route."""
        if not self.opens_to.startswith(_SERVICES):
            return None
        return frozenset(self.opens_to.removeprefix(_SERVICES).split())

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes that a token must have."""
        is_scope = self.callers is None and self.opens_to not in {"public", "signed in"}
        return frozenset(self.opens_to.split()) if is_scope else frozenset()


@cache
def rows() -> list[Row]:
    """The table."""
    found: list[Row] = []
    service = ""
    for line in (Path(__file__).parent / "table.txt").read_text("utf-8").splitlines():
        text = line.partition("#")[0].strip()
        if text.startswith("["):
            service = text.strip("[]")
        elif text:
            found.append(_row(service, [cell.strip() for cell in text.split("|")]))
    return found


def _row(service: str, cells: list[str]) -> Row:
    route, opens_to, roles, another = cells
    method, path = route.split()
    said = [] if another == "-" else [part.strip() for part in another.split(",")]
    words = {part for part in said if " " not in part}
    if not words <= {"own", "all"} or not set(roles) <= {*ROLES, ".", "-"}:
        raise ValueError(f"{route}: the table has no such word: {another} {roles}")
    return Row(
        service=service,
        method=method,
        path=path,
        opens_to=opens_to,
        roles=frozenset(ROLES[letter] for letter in roles if letter in ROLES),
        another={place: int(status) for place, _, status in (part.partition(" ") for part in said) if status},
        is_own="own" in words,
        is_all="all" in words,
    )


def routes() -> set[tuple[str, str]]:
    """(service, `METHOD path`) of whatever is routed or is in an OpenAPI document."""
    found: set[tuple[str, str]] = set()
    for service, app in service_apps().items():
        for route in iter_route_contexts(app.routes):
            methods = set(route.methods or ()) - {"HEAD"}
            # As OpenAPI writes it: without what a parameter may hold, such as `{model:path}`.
            path = re.sub(r":\w+}", "}", route.path or "")
            found |= {(service, f"{method} {path}") for method in methods or {"ANY"}}
        for path, item in app.openapi()["paths"].items():
            found |= {(service, f"{method.upper()} {path}") for method in item}
    return {(service, route) for service, route in found if route.split()[1] not in _OF_EVERY_SERVICE}


def ids_of(row: Row) -> set[str]:
    """The places of a route in which an id can stand: `path`, and the names of query parameters and fields."""
    document, operation = recorded_document(), _operation(row)
    found = {"path"} if "{" in row.path else set[str]()
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "query" and _is_id(parameter["name"], parameter["schema"]):
            found.add(parameter["name"])
    for content in _bodies_of(row).values():
        found |= set(_ids_in(content["schema"], document, frozenset()))
    return found


def has_object(row: Row) -> bool:
    """Whether the route reads fields that are no form's: in a form what is unknown is passed over (RFC 6749 §3.1)."""
    return bool(_bodies_of(row).keys() - {"application/x-www-form-urlencoded", "application/octet-stream"})


def fields_of(row: Row) -> set[str]:
    """The names of the fields that a route's body may have."""
    schemas: dict[str, Any] = recorded_document()["components"]["schemas"]
    found = set[str]()
    for content in _bodies_of(row).values():
        schema = content["schema"]
        for one in [schema, *schema.get("anyOf", ())]:
            name = one.get("$ref", "").rsplit("/", 1)[-1]
            found |= set(schemas.get(name, one).get("properties", {}))
    return found


def _bodies_of(row: Row) -> dict[str, Any]:
    return _operation(row).get("requestBody", {}).get("content", {})


def _operation(row: Row) -> dict[str, Any]:
    return recorded_document()["paths"].get(row.path, {}).get(row.method.lower(), {})


def _is_id(name: str, schema: dict[str, Any]) -> bool:
    kinds = [schema, *schema.get("anyOf", []), schema.get("items", {})]
    return (
        name == "organisation"
        or name.endswith(("_id", "_ids", "_ref", "_refs"))
        or any(kind.get("format") == "uuid" for kind in kinds)
    )


def _ids_in(schema: Any, document: dict[str, Any], seen: frozenset[str]) -> Iterator[str]:
    if isinstance(schema, list):
        for item in cast("list[Any]", schema):
            yield from _ids_in(item, document, seen)
    elif isinstance(schema, dict):
        fields = cast("dict[str, Any]", schema)
        reference = fields.get("$ref")
        if isinstance(reference, str) and reference not in seen:
            target = document["components"]["schemas"][reference.rsplit("/", 1)[1]]
            yield from _ids_in(target, document, seen | {reference})
        for name, inner in fields.get("properties", {}).items():
            if _is_id(name, inner):
                yield name
        for inner in fields.values():
            yield from _ids_in(inner, document, seen)
