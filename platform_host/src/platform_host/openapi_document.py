"""One OpenAPI document made of every service's own (DESIGN §2): what `/docs` shows and clients are made from."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, cast

from kgents_shared.auth import public_routes, route_scopes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI

_SCHEME = "bearer"
_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})


def merged_openapi(services: Mapping[str, FastAPI], version: str) -> dict[str, Any]:
    """The document of all `services` by name; `/internal` paths are left out.

    A component that two services define differently is told apart by the service's name. Operations carry the
    scopes that they ask for and are tagged by their service.
    """
    paths: dict[str, Any] = {}
    components: dict[str, dict[str, Any]] = {}
    for name, app in services.items():
        document = copy.deepcopy(app.openapi())
        own_paths = {path: item for path, item in document.get("paths", {}).items() if not path.startswith("/internal")}
        own_components = cast("dict[str, dict[str, Any]]", document.get("components", {}))
        renamed = _renamings(name, own_components, components)
        _rewrite_references([own_paths, own_components], renamed)
        for kind, rows in own_components.items():
            target = components.setdefault(kind, {})
            target.update({renamed.get((kind, key), key): row for key, row in rows.items()})
        _annotate(name, app, own_paths)
        paths |= own_paths
    components.setdefault("securitySchemes", {})[_SCHEME] = {
        "type": "http",
        "scheme": "bearer",
        "description": "An access token from POST /api/v1/auth/login or /auth/token, or what `kgents token` prints.",
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Kgents", "version": version, "description": "Agents in sandboxes behind one address."},
        "tags": [{"name": name, "description": app.title} for name, app in services.items()],
        "paths": dict(sorted(paths.items())),
        "components": components,
    }


def _renamings(
    service: str, own: Mapping[str, Mapping[str, Any]], taken: Mapping[str, Mapping[str, Any]]
) -> dict[tuple[str, str], str]:
    return {
        (kind, key): f"{service.capitalize()}{key}"
        for kind, rows in own.items()
        for key, row in rows.items()
        if key in taken.get(kind, {}) and taken[kind][key] != row
    }


def _rewrite_references(node: Any, renamed: Mapping[tuple[str, str], str]) -> None:
    if isinstance(node, list):
        for item in cast("list[Any]", node):
            _rewrite_references(item, renamed)
    elif isinstance(node, dict):
        fields = cast("dict[str, Any]", node)
        for key, value in fields.items():
            if key == "$ref" and isinstance(value, str):
                fields[key] = _reference(value, renamed)
            elif key == "mapping" and isinstance(value, dict):
                targets = cast("dict[str, Any]", value)
                fields[key] = {name: _reference(str(target), renamed) for name, target in targets.items()}
            else:
                _rewrite_references(value, renamed)


def _reference(value: str, renamed: Mapping[tuple[str, str], str]) -> str:
    start, _, rest = value.partition("#/components/")
    kind, _, key = rest.partition("/")
    new = renamed.get((kind, key))
    return value if start or new is None else f"#/components/{kind}/{new}"


def _annotate(service: str, app: FastAPI, paths: Mapping[str, Any]) -> None:
    """Tag each operation, make its id unique across services and say what the caller must bring."""
    public = set(public_routes(app))
    scopes = route_scopes(app)
    for path, item in paths.items():
        for method, operation in cast("dict[str, Any]", item).items():
            if method not in _METHODS:
                continue
            label = f"{method.upper()} {path}"
            operation["tags"] = [service]
            operation["operationId"] = f"{service}_{operation.get('operationId', method)}"
            if label not in public:
                operation["security"] = [{_SCHEME: sorted(scopes.get(label, ()))}]
