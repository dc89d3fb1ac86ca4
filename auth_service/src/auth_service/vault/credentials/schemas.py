"""Shapes of /credentials."""

from datetime import datetime
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    SecretStr,
    StringConstraints,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError
from yarl import URL

from kgents_shared.contracts.credentials import CredentialType, GivenCredentialType

MAX_SECRET_CHARS = 16_384
MAX_FIELDS = 32
_MAX_SECRET_BYTES = 32_768

CredentialName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9 ._-]{0,98}[A-Za-z0-9])?$")]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
FieldName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


def _storable(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if any("\ud800" <= char <= "\udfff" for char in text) or "\x00" in text:
        raise PydanticCustomError("not_text", "must be text without NUL characters and lone surrogates")
    return secret


def _bounded(fields: dict[str, SecretStr]) -> dict[str, SecretStr]:
    size = sum(len(value.get_secret_value().encode("utf-8", "replace")) for value in fields.values())
    if size > _MAX_SECRET_BYTES:
        raise PydanticCustomError("too_large", "holds more than {most} bytes in all", {"most": _MAX_SECRET_BYTES})
    return fields


def _form(value: Any) -> str:
    return "fields" if isinstance(value, dict) else "text"


def _http_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError as error:
        raise PydanticCustomError("bad_url", "must be a URL") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine:
        raise PydanticCustomError("bad_url", "must be an http or https URL with a host")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise PydanticCustomError("secret_in_url", "must not carry a user name, a password or a query")
    if not _host_can_be_read(url):
        raise PydanticCustomError("bad_url", "must have a host's name: what follows xn-- is not punycode")
    return url


def _host_can_be_read(url: str) -> bool:
    """As the runtime will read it, which asks the address: a name may look international and not be."""
    try:
        return bool(URL(url).host)
    except ValueError:
        return False


SecretText = Annotated[SecretStr, Field(min_length=1, max_length=MAX_SECRET_CHARS), AfterValidator(_storable)]
SecretFields = Annotated[
    dict[FieldName, SecretText], Field(min_length=1, max_length=MAX_FIELDS), AfterValidator(_bounded)
]
Secret = Annotated[Annotated[SecretText, Tag("text")] | Annotated[SecretFields, Tag("fields")], Discriminator(_form)]
BaseUrl = Annotated[str, StringConstraints(max_length=2000, pattern=r"^[\x21-\x7e]+$"), AfterValidator(_http_url)]


class SecretBody(BaseModel):
    """A body with a secret in it: nothing of it is shown where it has a fault."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class NewCredential(SecretBody):
    """Body of `POST /credentials`. `secret` is a text, or an object of texts; `base_url` is for llm_provider alone."""

    name: CredentialName
    type: GivenCredentialType
    secret: Secret
    provider: Slug | None = None
    base_url: BaseUrl | None = None

    @model_validator(mode="after")
    def _base_url_of_models_alone(self) -> Self:
        if self.base_url is not None and self.type != "llm_provider":
            raise PydanticCustomError("bad_type", "base_url goes with the type llm_provider alone")
        return self


class NewSecret(SecretBody):
    """Body of `POST /credentials/{ref}/rotate`."""

    secret: Secret


class CredentialView(BaseModel):
    """A credential as its owner sees it: everything but the secret. `updated_at` is when the secret was last set."""

    credential_ref: str
    name: str
    type: CredentialType
    owner_id: str
    provider: str | None
    base_url: str | None
    version: int
    created_at: datetime
    updated_at: datetime


class UseView(BaseModel):
    """One use of a credential: by which service, what for, which version, when."""

    used_by: str
    purpose: str
    version: int
    used_at: datetime
