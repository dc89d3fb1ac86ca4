"""Typed errors with a status and a stable code, rendered as RFC 9457 problem details by one handler."""

from kgents_shared.errors.api_errors import (
    ApiError,
    BadGateway,
    Conflict,
    FaultItem,
    Forbidden,
    GatewayTimeout,
    InvalidInput,
    NotFound,
    PayloadTooLarge,
    RequestTimeout,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)
from kgents_shared.errors.handlers import install_error_handlers, problem_response
from kgents_shared.errors.validation import faults_of

__all__ = [
    "ApiError",
    "BadGateway",
    "Conflict",
    "FaultItem",
    "Forbidden",
    "GatewayTimeout",
    "InvalidInput",
    "NotFound",
    "PayloadTooLarge",
    "RequestTimeout",
    "TooManyRequests",
    "Unauthenticated",
    "Unavailable",
    "faults_of",
    "install_error_handlers",
    "problem_response",
]
