"""What a request to the token endpoint says (RFC 6749 §2.3.1, §3.2, §4.4.2, §6)."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote_plus

from auth_service.tokens.oauth_errors import OAuthError

_MAX_FIELDS = 20
_MAX_CHARS = 2000
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """Who the client says it is."""

    client_id: str
    client_secret: str = field(repr=False)


def parse_form(content_type: str, body: bytes) -> dict[str, str]:
    """The parameters, each at most once; empty ones count as left out (RFC 6749 §3.2)."""
    if content_type.partition(";")[0].strip().lower() != _FORM:
        raise OAuthError("invalid_request", f"The body must be {_FORM}.")
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError as error:
        raise OAuthError("invalid_request", "The form can't be read.") from error
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise OAuthError("invalid_request", "A parameter is given more than once.")
    if any(len(value) > _MAX_CHARS or "\0" in value for _, value in pairs):
        raise OAuthError("invalid_request", "A parameter is too long or has a NUL in it.")
    return {name: value for name, value in pairs if value}


def client_credentials(authorization: str | None, form: Mapping[str, str]) -> ClientCredentials:
    """From the Authorization header or the form, never from both."""
    in_form = "client_secret" in form
    if authorization is not None:
        if in_form:
            raise OAuthError("invalid_request", "Use one way of client authentication, not two.")
        return _from_basic(authorization, form)
    if not in_form or "client_id" not in form:
        raise OAuthError("invalid_client", "Client authentication is required: client_id and client_secret.")
    return ClientCredentials(form["client_id"], form["client_secret"])


def _from_basic(authorization: str, form: Mapping[str, str]) -> ClientCredentials:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise OAuthError("invalid_client", "Clients authenticate by Basic or by the form.")
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError) as error:
        raise OAuthError("invalid_client", "The Authorization header can't be read.") from error
    client_id, colon, client_secret = decoded.partition(":")
    # Both parts are form-encoded before they are joined (RFC 6749 §2.3.1).
    credentials = ClientCredentials(unquote_plus(client_id), unquote_plus(client_secret))
    if not colon or "\0" in credentials.client_id:
        raise OAuthError("invalid_client", "The Authorization header can't be read.")
    if form.get("client_id", credentials.client_id) != credentials.client_id:
        raise OAuthError("invalid_request", "client_id and the Authorization header name different clients.")
    return credentials
