"""What a request may look like that a person writes: nothing in it lets an argument choose where it goes."""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from pydantic_core import PydanticCustomError

from tool_registry_service.http_tools.openapi.parameters import NOT_FROM_ARGUMENTS
from tool_registry_service.http_tools.sending import Sending
from tool_registry_service.http_tools.templates import BadTemplate, names_in, parts_of

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_FREE_TO_SAY: Final = frozenset({"accept", "content-type", "idempotency-key"})
_MOST_ENTRIES = 100
_MAX_URL = 2_000
_DOTS = frozenset({".", ".."})


def http_address(url: str) -> str:
    """An address that a request can go to, with nothing secret in it."""
    import httpx  # noqa: PLC0415 -- the HTTP client isn't part of the service's start

    try:
        parts = urlsplit(url)
        httpx.URL(url)
        port_is_fine = parts.port is None or parts.port > 0
    except (ValueError, httpx.InvalidURL) as error:
        raise PydanticCustomError("bad_url", "must be a URL") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine:
        raise PydanticCustomError("bad_url", "must be an http or https URL with a host")
    if parts.username is not None or parts.password is not None:
        raise PydanticCustomError("secret_in_url", "must not carry a user name or password")
    if any(char.isspace() or ord(char) < 0x20 for char in url) or "#" in url:
        raise PydanticCustomError("bad_url", "must not contain spaces, control characters or a fragment")
    return url


def checked_sending(sending: Sending, input_schema: Mapping[str, Any]) -> None:
    """Refuse a request that can't be sent as it is meant; its placeholders must be arguments of the schema."""
    try:
        named = names_in([sending.url, sending.query, sending.headers, sending.body])
    except BadTemplate as error:
        raise PydanticCustomError("bad_template", "{what}", {"what": str(error)}) from error
    properties = input_schema.get("properties")
    unknown = sorted(named - set(properties if isinstance(properties, dict) else ()))
    if unknown:
        raise PydanticCustomError(
            "unknown_argument", "has {names} in braces, which input_schema has no property for",
            {"names": ", ".join(unknown[:10])},
        )  # fmt: skip
    _check_url(sending.url)
    _check_headers(sending.headers)
    if len(sending.query) > _MOST_ENTRIES:
        raise PydanticCustomError("too_many_parameters", "has over {most} parameters", {"most": _MOST_ENTRIES})
    if sending.body is not None and sending.method in ("GET", "HEAD"):
        raise PydanticCustomError("body_not_sent", "{method} has no body", {"method": sending.method})


def _check_url(url: str) -> None:
    if len(url) > _MAX_URL:
        raise PydanticCustomError("bad_url", "url must have at most {most} characters", {"most": _MAX_URL})
    origin = "/".join(url.split("/")[:3]).partition("?")[0]
    if "{" in origin or "}" in origin:
        raise PydanticCustomError("argument_in_host", "an argument can't be part of a URL's scheme, host or port")
    http_address("".join("x" if is_name else part for part, is_name in parts_of(url)))
    if any(unquote(segment) in _DOTS for segment in url.partition("?")[0].split("/")[3:]):
        raise PydanticCustomError("bad_url", "must not have . or .. as a segment of its path")


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if _HEADER_NAME.fullmatch(name) is None:
            raise PydanticCustomError("bad_header", "{name} is no name of a header", {"name": repr(name[:80])})
        if name.lower() in NOT_FROM_ARGUMENTS - _FREE_TO_SAY:
            raise PydanticCustomError(
                "bad_header", "{name} can't be set here; a credential goes with credential_ref", {"name": name}
            )
        if any(ord(char) < 0x20 or ord(char) == 0x7F for char in value):
            raise PydanticCustomError("bad_header", "{name} has control characters in it", {"name": name})
    if len(headers) > _MOST_ENTRIES or len({name.lower() for name in headers}) != len(headers):
        raise PydanticCustomError("bad_header", "has too many headers, or the same one twice")
