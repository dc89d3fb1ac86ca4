"""Shapes of /auth/oidc."""

from typing import Annotated

from pydantic import BaseModel, Field

_Word = Annotated[str | None, Field(max_length=4000)]


class CameBack(BaseModel):
    """The query that an issuer sends a browser back with (RFC 6749 §4.1.2, RFC 9207 §2); what else is in it is left."""

    state: _Word = None
    code: _Word = None
    error: _Word = None
    iss: _Word = None
