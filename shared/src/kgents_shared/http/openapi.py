"""The OpenAPI document of a service: which refusals each route has, in the one shape that they have (RFC 9457)."""

from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI
from pydantic import BaseModel, Field

from kgents_shared.auth import public_routes

PROBLEM_MEDIA_TYPE = "application/problem+json"
_METHODS = frozenset({"get", "put", "post", "delete", "patch"})
# FastAPI's own shape of a 422, which no service of this platform answers with.
_UNUSED = ("HTTPValidationError", "ValidationError")


class Fault(BaseModel):
    """One fault of an input: where, what, and how to mend it. `line` and `column` where the input is a text."""

    loc: list[str | int]
    msg: str
    code: str
    hint: str | None
    line: int | None = None
    column: int | None = None


class Problem(BaseModel):
    """Every refusal. `code` is for programs and stays as it is; `detail` is a sentence for people."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    correlation_id: str
    errors: list[Fault] = Field(default_factory=list[Fault])


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route adds to `responses=`: refusals that it has beside those that any route like it has."""
    return {status: refusal(status) for status in statuses}


def refusal(status: int) -> dict[str, Any]:
    """One refusal as a document tells of it."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": HTTPStatus(status).phrase, "content": {PROBLEM_MEDIA_TYPE: {"schema": schema}}}


def describe_refusals(app: FastAPI) -> None:
    """Make the app's document tell of the refusals of each route."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = make()
            public = set(public_routes(app))
            for path, item in cast("dict[str, dict[str, Any]]", document.get("paths", {})).items():
                for method in _METHODS & item.keys():
                    is_public = f"{method.upper()} {path}" in public
                    _describe(item[method], path, method, is_public=is_public)
            _add_shapes(document)
        return app.openapi_schema or {}

    app.openapi = openapi


def _describe(operation: dict[str, Any], path: str, method: str, *, is_public: bool) -> None:
    responses: dict[str, Any] = operation["responses"]
    # The edge reads whatever body comes, and the database behind every route may be away.
    statuses = {400, 408, 413, 503}
    if not is_public:
        statuses |= {401, 403}
    if "{" in path or any(parameter["name"] == "organisation" for parameter in operation.get("parameters", [])):
        statuses.add(404)
    if "422" in responses or "requestBody" in operation or method in {"post", "put", "patch"}:
        statuses.add(422)
        shown = responses.get("422", {}).get("content", {}).get("application/json", {}).get("schema", {})
        if str(shown.get("$ref", "")).endswith("/HTTPValidationError"):
            del responses["422"]
    for status in statuses:
        # A route that refuses in another shape (RFC 6749 §5.2) is read by the same edge.
        told = responses.setdefault(str(status), refusal(status))
        told.setdefault("content", {}).update(refusal(status)["content"])
    operation["responses"] = dict(sorted(responses.items()))


def _add_shapes(document: dict[str, Any]) -> None:
    schemas: dict[str, Any] = document.setdefault("components", {}).setdefault("schemas", {})
    for name in _UNUSED:
        schemas.pop(name, None)
    for model in (Fault, Problem):
        schemas[model.__name__] = model.model_json_schema(ref_template="#/components/schemas/{model}") | {}
        schemas[model.__name__].pop("$defs", None)
    document["components"]["schemas"] = dict(sorted(schemas.items()))
