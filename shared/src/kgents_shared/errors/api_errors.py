"""The errors that services raise. Each is one HTTP status and one stable `code`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class FaultItem:
    """One fault of an input: where (`loc`, as pydantic gives it), what, and how to mend it."""

    loc: tuple[str | int, ...]
    msg: str
    code: str
    hint: str | None = None
    position: Mapping[str, int] = field(default_factory=dict[str, int])

    def as_json(self) -> dict[str, Any]:
        """The shape on the wire: `{loc, msg, code, hint, line?, column?}`."""
        return {"loc": list(self.loc), "msg": self.msg, "code": self.code, "hint": self.hint, **self.position}


class ApiError(Exception):
    """An error that a caller is told of. `detail` is a sentence for the person who reads it."""

    status: ClassVar[int] = 500
    default_code: ClassVar[str] = "internal_error"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        errors: Sequence[FaultItem] = (),
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.default_code
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})


class InvalidInput(ApiError):
    """422: the input can't be taken; `errors` names every fault."""

    status = 422
    default_code = "invalid_input"


class Unauthenticated(ApiError):
    """401 with the challenge of RFC 6750 §3."""

    status = 401
    default_code = "unauthenticated"

    def __init__(self, detail: str, *, code: str | None = None, token_given: bool = False) -> None:
        challenge = 'Bearer error="invalid_token"' if token_given else "Bearer"
        super().__init__(detail, code=code, headers={"WWW-Authenticate": challenge})


class Forbidden(ApiError):
    """403: known, but not allowed."""

    status = 403
    default_code = "forbidden"


class NotFound(ApiError):
    """404: not there, or another owner's."""

    status = 404
    default_code = "not_found"


class Conflict(ApiError):
    """409: the state of the thing doesn't allow it."""

    status = 409
    default_code = "conflict"


class RequestTimeout(ApiError):
    """408: the request did not come in time."""

    status = 408
    default_code = "request_timeout"


class PayloadTooLarge(ApiError):
    """413."""

    status = 413
    default_code = "payload_too_large"


class _RetryLater(ApiError):
    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        retry_after_s: int = 1,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail, code=code, headers={"Retry-After": str(retry_after_s)}, extra=extra)


class TooManyRequests(_RetryLater):
    """429 with Retry-After."""

    status = 429
    default_code = "too_many_requests"


class Unavailable(_RetryLater):
    """503 with Retry-After: a part that this needs is away for the moment."""

    status = 503
    default_code = "unavailable"


class BadGateway(ApiError):
    """502: the far side (a model, a tool) answered wrongly."""

    status = 502
    default_code = "bad_gateway"


class GatewayTimeout(ApiError):
    """504: the far side did not answer in time."""

    status = 504
    default_code = "gateway_timeout"
