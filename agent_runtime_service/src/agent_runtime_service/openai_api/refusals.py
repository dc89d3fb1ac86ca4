"""Refusals at `/v1`: our problem document, with the member `error` that OpenAI's clients read."""

from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute

from kgents_shared.errors import ApiError
from kgents_shared.errors.handlers import invalid_request

# Codes that programs of theirs look for.
_CODES: Final = {
    "agent_not_found": "model_not_found",
    "agent_not_published": "model_not_found",
    "budget_exhausted": "insufficient_quota",
    "context_too_long": "context_length_exceeded",
    "conversation_too_long": "context_length_exceeded",
    "invalid_token": "invalid_api_key",
    "message_too_long": "context_length_exceeded",
    "provider_rate_limited": "rate_limit_exceeded",
    "run_not_found": "response_not_found",
    "token_required": "invalid_api_key",
}
_TYPES: Final = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
_Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def error_object(error: ApiError) -> dict[str, Any]:
    """The member `error`: message, type, param and code."""
    kind = _TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "server_error")
    message, param = error.detail, None
    if error.errors:
        first = error.errors[0]
        param = ".".join(str(part) for part in first.loc if part != "body") or None
        message = f"{message} {param or 'The body'} {first.msg}" + (f": {first.hint}" if first.hint else "")
    return {"message": message, "type": kind, "param": param, "code": _CODES.get(error.code, error.code)}


def as_openai(error: ApiError) -> ApiError:
    """The same refusal for such a client, who is told not to repeat what may have begun."""
    error.extra["error"] = error_object(error)
    if "run_id" in error.extra or error.status == 409:
        error.headers["x-should-retry"] = "false"
    return error


class OpenAiRoute(APIRoute):
    """A route whose refusals OpenAI's clients understand."""

    def get_route_handler(self) -> _Handler:
        """The handler with its refusals told anew."""
        handle = super().get_route_handler()

        async def told(request: Request) -> Response:
            try:
                return await handle(request)
            except ApiError as error:
                raise as_openai(error) from error.__cause__
            except RequestValidationError as invalid:
                raise as_openai(invalid_request(request, invalid)) from invalid

        return told
