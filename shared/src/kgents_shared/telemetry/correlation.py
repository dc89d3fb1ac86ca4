"""The id that follows one request through every service's log."""

from contextvars import ContextVar
from uuid import uuid4

CORRELATION_HEADER = "X-Correlation-Id"
_current: ContextVar[str | None] = ContextVar("kgents_correlation_id", default=None)


def correlation_id() -> str:
    """The id of the request that is being served; a new one outside of any."""
    value = _current.get()
    if value is None:
        value = uuid4().hex
        _current.set(value)
    return value


def accept_correlation_id(given: str | None) -> str:
    """Take a caller's id if it is a plain one (at most 64 of [A-Za-z0-9_-]), else make one; make it current."""
    plain = given is not None and 0 < len(given) <= 64 and given.replace("-", "").replace("_", "").isalnum()
    value = given if plain and given is not None and given.isascii() else uuid4().hex
    _current.set(value)
    return value
