"""What a tool's request looks like, and how one call's arguments go into it. Pure.

Arguments come from a model, so none can change where the request goes: the host stands in the definition, a path
segment stays one segment, a header one line.
"""

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, cast
from urllib.parse import quote, unquote, urlencode, urlsplit

from pydantic import BeforeValidator, Field

from kgents_shared.contracts.model import Contract
from tool_registry_service.errors import ArgumentRefused
from tool_registry_service.http_tools.bounds import bounded
from tool_registry_service.http_tools.templates import MISSING, as_text, filled, parts_of

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
Style = Literal["repeat", "comma", "space", "pipe", "deep", "fields", "json"]
BodyType = Literal["json", "form", "multipart", "text"]

_SEPARATORS: Final[Mapping[str, str]] = {"comma": ",", "space": " ", "pipe": "|"}
_CONTENT_TYPES: Final[Mapping[BodyType, str]] = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "text": "text/plain; charset=utf-8",
}
_HEADER_VALUE = re.compile(r"[\x20-\x7e\xa0-\xff]*")
_DOTS = frozenset({".", ".."})


class Sending(Contract):
    """A request with placeholders. `styles` says how a list or an object stands in the query, by parameter."""

    method: Method
    url: str
    query: Annotated[dict[str, Any], BeforeValidator(bounded)] = Field(default_factory=dict[str, Any])
    headers: dict[str, str] = Field(default_factory=dict[str, str])
    body: Annotated[Any, BeforeValidator(bounded)] = None
    body_type: BodyType = "json"
    styles: dict[str, Style] = Field(default_factory=dict[str, Style])


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request as it is sent, but for its credential. Names of headers are in small letters."""

    method: Method
    url: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    content: bytes | None

    @property
    def full_url(self) -> str:
        """The address with its query."""
        if not self.query:
            return self.url
        return f"{self.url}{'&' if '?' in self.url else '?'}{urlencode(self.query, quote_via=quote)}"


def outgoing(sending: Sending, arguments: Mapping[str, Any]) -> Outgoing:
    """The request of one call.

    Raises:
        ArgumentRefused: an argument can't stand where it belongs.
    """
    try:
        headers = {"content-type": _CONTENT_TYPES[sending.body_type]} if sending.body_type in _CONTENT_TYPES else {}
        headers |= dict(_headers(sending.headers, arguments))
        content, content_type = _content(sending, arguments)
        if content is None:
            headers.pop("content-type", None)
        elif content_type is not None:
            headers["content-type"] = content_type
        return Outgoing(sending.method, _url(sending.url, arguments), _query(sending, arguments), headers, content)
    except UnicodeEncodeError as error:
        raise ArgumentRefused("An argument has half of a surrogate pair in it, which is no character.") from error
    except ValueError as error:
        raise ArgumentRefused("An argument holds a number that JSON doesn't have.") from error


def origin_of(url: str) -> tuple[str, str, int]:
    """Scheme, host and port: what a credential is for."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    return scheme, (parts.hostname or "").lower(), parts.port or (443 if scheme == "https" else 80)


def _url(template: str, arguments: Mapping[str, Any]) -> str:
    parts = parts_of(template)
    missing = next((part for part, is_name in parts if is_name and arguments.get(part) is None), None)
    if missing is not None:
        raise ArgumentRefused(f"{missing} stands in the address and must be given.")
    url = "".join(quote(_in_path(arguments[part]), safe="") if is_name else part for part, is_name in parts)
    segments = url.partition("?")[0].split("/")[3:]
    # Clients and servers take `..` for a step up, also where it is written %2e%2e.
    if any(unquote(segment) in _DOTS for segment in segments):
        raise ArgumentRefused("An argument makes a segment of the address . or .., which would lead elsewhere.")
    if "" in segments[:-1]:
        raise ArgumentRefused("An argument that stands in the address is empty.")
    if segments and segments[-1] == "" and not template.partition("?")[0].endswith("/"):
        raise ArgumentRefused("An argument that stands in the address is empty.")
    return url


def _in_path(value: Any) -> str:
    """A list as `simple` writes it (RFC 6570), everything else as a text."""
    if isinstance(value, list):
        return ",".join(as_text(entry) for entry in cast("list[Any]", value))
    return as_text(value)


def _query(sending: Sending, arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name, template in sending.query.items():
        value = filled(template, arguments)
        if value is not MISSING and value is not None:
            pairs += _pairs(name, value, sending.styles.get(name, "repeat"))
    for name, value in pairs:
        name.encode()
        value.encode()
    return pairs


def _pairs(name: str, value: Any, style: Style) -> Iterator[tuple[str, str]]:
    if style == "json":
        yield name, json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    elif isinstance(value, list):
        texts = [as_text(entry) for entry in cast("list[Any]", value)]
        if style in _SEPARATORS:
            yield name, _SEPARATORS[style].join(texts)
        else:
            yield from ((name, text) for text in texts)
    elif isinstance(value, Mapping) and style in ("deep", "fields", "comma"):
        entries = cast("Mapping[str, Any]", value)
        if style == "comma":
            yield name, ",".join(f"{key},{as_text(entry)}" for key, entry in entries.items())
        else:
            for key, entry in entries.items():
                yield (f"{name}[{key}]" if style == "deep" else key), as_text(entry)
    else:
        yield name, as_text(value)


def _headers(templates: Mapping[str, str], arguments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, template in templates.items():
        value = filled(template, arguments)
        if value is MISSING or value is None:
            continue
        text = _in_path(value).strip()
        if _HEADER_VALUE.fullmatch(text) is None:
            raise ArgumentRefused(f"What would stand in the header {name} has characters that headers can't have.")
        yield name.lower(), text


def _content(sending: Sending, arguments: Mapping[str, Any]) -> tuple[bytes | None, str | None]:
    """The body, and its type where that isn't the one that stands in the headers."""
    value = MISSING if sending.body is None else filled(sending.body, arguments)
    if value is MISSING:
        return None, None
    if sending.body_type == "json":
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(), None
    if sending.body_type == "text":
        return as_text(value).encode(), None
    if not isinstance(value, Mapping):
        raise ArgumentRefused("The body must be an object: its fields are those of a form.")
    entries = cast("Mapping[str, Any]", value)
    fields = [pair for name, entry in entries.items() for pair in _pairs(name, entry, "repeat")]
    if sending.body_type == "form":
        return urlencode(fields).encode(), None
    return _multipart(fields)


def _multipart(fields: list[tuple[str, str]]) -> tuple[bytes, str]:
    """Fields as RFC 7578 writes them."""
    boundary = uuid.uuid4().hex
    parts: list[bytes] = []
    for name, value in fields:
        quoted = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        head = f'--{boundary}\r\ncontent-disposition: form-data; name="{quoted}"\r\n\r\n'
        parts += [head.encode(), value.encode(), b"\r\n"]
    return b"".join([*parts, f"--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}"
