"""Typed errors with a status and a stable code; `handlers` renders them as RFC 9457 problem details, for services."""

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
]
