"""Events of limits; they name neither an account nor an address."""

from pydantic import BaseModel

LIMIT_REACHED = "limit.reached"


class LimitReached(BaseModel):
    """Too many tries of one kind came from one place."""

    what: str
