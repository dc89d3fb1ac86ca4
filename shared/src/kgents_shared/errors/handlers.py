"""One place where errors become RFC 9457 problem details."""

import json
from typing import Any, cast

import psycopg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from psycopg_pool import PoolClosed, PoolTimeout
from pydantic import BaseModel
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as SqlTimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kgents_shared.errors.api_errors import (
    ApiError,
    FaultItem,
    InvalidInput,
    PayloadTooLarge,
    RequestTimeout,
    Unavailable,
)
from kgents_shared.errors.validation import faults_of
from kgents_shared.telemetry.correlation import CORRELATION_HEADER, correlation_id

_log = structlog.get_logger("kgents.errors")
_TITLES = {
    400: "Bad request", 401: "Not authenticated", 403: "Not allowed", 404: "Not found", 405: "Method not allowed",
    408: "Too slow", 409: "Conflict", 413: "Too large", 422: "Invalid input", 429: "Too many requests",
    500: "Internal error", 502: "Bad gateway", 503: "Unavailable", 504: "Timed out",
}  # fmt: skip

_HTTP_CODES = {
    400: "bad_request", 404: "not_found", 405: "method_not_allowed", 408: RequestTimeout.default_code,
    413: PayloadTooLarge.default_code,
}  # fmt: skip


def problem_body(error: ApiError) -> dict[str, Any]:
    """The problem document of an error (RFC 9457 §3) with our `code`, `correlation_id` and `errors`."""
    body: dict[str, Any] = {
        "type": f"urn:kgents:error:{error.code}",
        "title": _TITLES.get(error.status, "Error"),
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "correlation_id": correlation_id(),
    }
    if error.errors:
        body["errors"] = [fault.as_json() for fault in error.errors]
    return body | error.extra


def problem_response(error: ApiError) -> Response:
    """The response that tells a caller of `error`."""
    body = problem_body(error)
    # The edge sets this header too, but the answer to an unexpected error is made outside of it.
    headers = {**error.headers, CORRELATION_HEADER: str(body["correlation_id"])}
    content = json.dumps(body, ensure_ascii=True)
    return Response(content, error.status, headers=headers, media_type="application/problem+json")


def install_error_handlers(app: FastAPI) -> None:
    """Render every error of `app` as a problem document; nothing inside leaks to the caller."""
    app.add_exception_handler(ApiError, _on_api_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(UnicodeEncodeError, _on_lone_surrogate)
    app.add_exception_handler(psycopg.DataError, _on_database_error)
    for database_away in (
        psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, PoolClosed, OperationalError, InterfaceError,
        SqlTimeoutError, DBAPIError,
    ):  # fmt: skip
        app.add_exception_handler(database_away, _on_database_error)
    app.add_exception_handler(Exception, _on_unexpected)


async def _on_api_error(_: Request, error: Exception) -> Response:
    return problem_response(cast("ApiError", error))


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    return problem_response(invalid_request(request, cast("RequestValidationError", error)))


def invalid_request(request: Request, invalid: RequestValidationError) -> InvalidInput:
    """What a route that can't read a request refuses it with."""
    faults = _body_faults(invalid) or faults_of(invalid.errors(), _body_model(request))
    return InvalidInput("The request has faults; each is listed in errors.", errors=faults)


def _body_faults(invalid: RequestValidationError) -> list[FaultItem]:
    """What is wrong with the body as a whole: none was sent, it is no JSON, or nothing said that it is."""
    for fault in cast("list[dict[str, Any]]", invalid.errors()):
        if fault["type"] == "json_invalid":
            place = {"line": 1, "column": 1}
            if isinstance(text := invalid.body, str) and isinstance(at := fault["loc"][-1], int):
                place = {"line": text.count("\n", 0, at) + 1, "column": at - text.rfind("\n", 0, at)}
            said = str(fault.get("ctx", {}).get("error", "it can't be read"))
            msg = f"is no JSON at line {place['line']}, column {place['column']}: {said}"
            return [FaultItem(("body",), msg, "json_invalid", 'send an object: {"…": …}', place)]
        if tuple(fault["loc"]) == ("body",) and fault["type"] == "missing":
            return [FaultItem(("body",), "a body is required", "missing", 'send an object: {"…": …}')]
        if tuple(fault["loc"]) == ("body",) and isinstance(fault.get("input"), bytes | str):
            hint = "send the header content-type: application/json and an object"
            return [FaultItem(("body",), "is not taken as JSON", "not_json", hint)]
    return []


def _body_model(request: Request) -> type[BaseModel] | None:
    """The model of the route's body, so that a misspelt field gets its suggestion."""
    field = getattr(request.scope.get("route"), "body_field", None)
    annotation = getattr(getattr(field, "field_info", None), "annotation", None)
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return None
    return _WrappedBody.of(annotation)


class _WrappedBody:
    """FastAPI puts `body` in front of each place; the wrapper gives the suggestion lookup the same shape."""

    @staticmethod
    def of(model: type[BaseModel]) -> type[BaseModel]:
        return type("Body", (BaseModel,), {"__annotations__": {"body": model}})


async def _on_http_exception(_: Request, error: Exception) -> Response:
    http = cast("HTTPException", error)
    code = _HTTP_CODES.get(http.status_code, "http_error")
    shown = _status_error(http.status_code)(str(http.detail), code=code, headers=http.headers)
    return problem_response(shown)


def _status_error(status_code: int) -> type[ApiError]:
    return type("HttpError", (ApiError,), {"status": status_code})


def is_database_away(error: BaseException) -> bool:
    """Whether `error` says that the database can't be reached, rather than that a statement is wrong."""
    if isinstance(error, DBAPIError):
        original = error.orig
        return error.connection_invalidated or (original is not None and is_database_away(original))
    return isinstance(
        error, (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, PoolClosed, SqlTimeoutError)
    )


async def _on_lone_surrogate(_: Request, __: Exception) -> Response:
    """JSON can carry half of a surrogate pair; UTF-8, and so everything behind this service, can't."""
    return problem_response(InvalidInput("A text is not valid Unicode: half of a surrogate pair.", code="not_unicode"))


def _is_nul_refused(error: BaseException | None) -> bool:
    """Whether PostgreSQL refused a text for its NUL, the one character of JSON that it can't store."""
    original = error.orig if isinstance(error, DBAPIError) else error
    return isinstance(original, psycopg.DataError) and "NUL" in str(original)


async def _on_database_error(request: Request, error: Exception) -> Response:
    if _is_nul_refused(error):
        return problem_response(InvalidInput("A text has a NUL character in it, which can't be stored.", code="nul"))
    if not is_database_away(error):
        return await _on_unexpected(request, error)
    _log.warning("database_away", path=request.scope["path"], error=type(error).__name__)
    return problem_response(Unavailable("The database can't be reached right now; try again.", code="database_away"))


async def _on_unexpected(request: Request, error: Exception) -> Response:
    _log.error("unexpected_error", path=request.scope["path"], exc_info=error)
    return problem_response(ApiError("Something failed inside; the log has it under this correlation_id."))
