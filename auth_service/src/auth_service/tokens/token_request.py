"""What a request to the token endpoint says (RFC 6749 §2.3.1, §3.2, §4.4.2, §6; RFC 7521 §4.2)."""

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote_plus

from jose import jwt
from jose.exceptions import JOSEError

from auth_service.machines.service import ClientAssertion, ClientSecret, Shown
from auth_service.tokens.oauth_errors import OAuthError
from kgents_shared.auth.tokens import MAX_TOKEN_CHARS

_MAX_FIELDS = 20
_MAX_CHARS = 2000
# Tokens, which grow with what they say.
_LONG = frozenset({"subject_token", "token", "client_assertion"})
_FORM = "application/x-www-form-urlencoded"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


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
    if any(len(value) > (MAX_TOKEN_CHARS if name in _LONG else _MAX_CHARS) or "\0" in value for name, value in pairs):
        raise OAuthError("invalid_request", "A parameter is too long or has a NUL in it.")
    return {name: value for name, value in pairs if value}


def shown_by_client(authorization: str | None, form: Mapping[str, str]) -> Shown:
    """What a client shows of itself: the Authorization header, a secret in the form, or an assertion; one of them."""
    ways = [authorization is not None, "client_secret" in form, "client_assertion" in form]
    if sum(ways) > 1:
        raise OAuthError("invalid_request", "Use one way of client authentication, not two.")
    if authorization is not None:
        return _from_basic(authorization, form)
    if "client_assertion" in form:
        return _from_assertion(form)
    if "client_secret" not in form or "client_id" not in form:
        raise OAuthError("invalid_client", "Client authentication is required: client_id and client_secret.")
    return ClientSecret(form["client_id"], form["client_secret"])


def _from_assertion(form: Mapping[str, str]) -> ClientAssertion:
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise OAuthError("invalid_client", f"client_assertion_type must be {ASSERTION_TYPE}.")
    try:
        subject = jwt.get_unverified_claims(form["client_assertion"]).get("sub")
    except (JOSEError, ValueError, AttributeError, RecursionError) as error:
        raise OAuthError("invalid_client", "The client assertion can't be read.") from error
    if not isinstance(subject, str) or "\0" in subject or form.get("client_id", subject) != subject:
        raise OAuthError("invalid_client", "The client assertion and client_id name different clients.")
    return ClientAssertion(subject, form["client_assertion"])


def _from_basic(authorization: str, form: Mapping[str, str]) -> ClientSecret:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise OAuthError("invalid_client", "Clients authenticate by Basic or by the form.")
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError) as error:
        raise OAuthError("invalid_client", "The Authorization header can't be read.") from error
    client_id, colon, client_secret = decoded.partition(":")
    # Both parts are form-encoded before they are joined (RFC 6749 §2.3.1).
    credentials = ClientSecret(unquote_plus(client_id), unquote_plus(client_secret))
    if not colon or "\0" in credentials.client_id:
        raise OAuthError("invalid_client", "The Authorization header can't be read.")
    if form.get("client_id", credentials.client_id) != credentials.client_id:
        raise OAuthError("invalid_request", "client_id and the Authorization header name different clients.")
    return credentials
