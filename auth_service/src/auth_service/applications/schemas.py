"""Shapes of /auth/clients and /admin/clients."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from auth_service.users.schemas import PersonName

MOST_KEYS = 10
LONGEST_OVERLAP_S = 7 * 86_400
_Scope = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[a-z_]+:[a-z_]+$")]
_Scopes = Annotated[list[_Scope], Field(max_length=100)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class KeySet(_Body):
    """A JSON Web Key set (RFC 7517 §5) of public keys: P-256, Ed25519, or RSA of 2048 to 4096 bits."""

    keys: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MOST_KEYS)]


class NewClient(_Body):
    """The body of `POST /auth/clients`. `scopes` are at most the maker's own.

    With `jwks` the application signs (`private_key_jwt`) and has no secret.
    """

    name: PersonName
    scopes: _Scopes = Field(default_factory=list[str])
    jwks: KeySet | None = None


class ClientChange(_Body):
    """The body of `PATCH /auth/clients/{client_id}`: what is left out stays.

    An application that begins to sign keeps the secret that it has until that is deleted.
    """

    name: PersonName | None = None
    scopes: _Scopes | None = None
    jwks: KeySet | None = None


class ClientGrant(_Body):
    """The body of `PATCH /admin/clients/{client_id}`: what is left out stays."""

    disabled: bool | None = None
    may_exchange: bool | None = None


class NewClientSecret(_Body):
    """The body of `POST /auth/clients/{client_id}/secrets`: how many seconds the newest secret so far goes on.

    With 0 no secret so far does, and every token of the application is refused too.
    """

    overlap: Annotated[int, Field(ge=0, le=LONGEST_OVERLAP_S)] = 86_400


class SecretView(BaseModel):
    """A secret without the secret. It works until `expires_at`, for ever where that is null. Times are UTC."""

    id: UUID
    created_at: datetime
    expires_at: datetime | None


class ClientView(BaseModel):
    """An application. `scopes` are its own and `roles` what administrators gave it; its tokens have of both what its
    owner has too. With `may_exchange` it may act for people.
    """

    client_id: str
    name: str
    owner: UUID | None
    scopes: list[str]
    roles: list[str]
    may_exchange: bool
    disabled: bool
    created_at: datetime
    secrets: list[SecretView]
    jwks: KeySet | None


class AnyClientView(ClientView):
    """A client as administrators see it: a service of the platform, or somebody's application."""

    kind: Literal["service", "app"]


class MadeClient(ClientView):
    """The answer to making an application: the only one that holds its secret, null where it signs."""

    client_secret: str | None


class MadeSecret(SecretView):
    """The answer to making a secret: the only one that holds it."""

    client_secret: str
