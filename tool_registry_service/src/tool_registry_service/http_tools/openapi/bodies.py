"""Bodies of requests and responses."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from tool_registry_service.http_tools.openapi.documents import ApiDocument, Unfollowed
from tool_registry_service.http_tools.openapi.parameters import Arguments
from tool_registry_service.http_tools.openapi.schemas import SchemaMaker
from tool_registry_service.http_tools.sending import BodyType

_FORMS: Mapping[str, BodyType] = {
    "application/x-www-form-urlencoded": "form",
    "multipart/form-data": "multipart",
}


@dataclass(frozen=True, slots=True)
class Body:
    """How a body is sent; no template where there is none. `content_type` where it isn't the type's own."""

    template: Any = None
    type: BodyType = "json"
    content_type: str | None = None


def body_of(document: ApiDocument, given: Any, arguments: Arguments) -> Body:
    """The body of an operation as its argument `body`. Raises `Unfollowed` where it can't be sent and must be."""
    request = document.followed(given)
    if not isinstance(request, Mapping):
        return Body()
    known = cast("Mapping[str, Any]", request)
    required = known.get("required") is True
    content = known.get("content")
    types = cast("Mapping[str, Any]", content if isinstance(content, Mapping) else {})
    for media_type, body_type in _sendable(types):
        media = types[media_type]
        schema = cast("Mapping[str, Any]", media).get("schema", {}) if isinstance(media, Mapping) else {}
        called = arguments.add("body", "body", known, schema)
        own = media_type if body_type == "json" and _plain(media_type) != "application/json" else None
        if own is None and body_type == "text" and _plain(media_type) != "text/plain":
            own = media_type
        return Body(f"{{{called}}}", body_type, own)
    if required:
        raise Unfollowed(f"wants a body of a type that isn't sent ({', '.join(types)[:200] or 'none is named'})")
    return Body()


def _sendable(types: Mapping[str, Any]) -> list[tuple[str, BodyType]]:
    """Those of the types that can be sent, the best first."""
    found: list[tuple[int, str, BodyType]] = []
    for media_type in types:
        plain = _plain(media_type)
        if any(not 0x20 < ord(char) < 0x7F and char != " " for char in media_type):
            continue
        if plain == "application/json":
            found.append((0, media_type, "json"))
        elif plain.endswith("+json"):
            found.append((1, media_type, "json"))
        elif plain in _FORMS:
            found.append((2, media_type, _FORMS[plain]))
        elif plain.startswith("text/"):
            found.append((3, media_type, "text"))
        elif plain == "*/*":
            found.append((4, media_type, "json"))
    return [(media_type, body_type) for _, media_type, body_type in sorted(found)]


def _plain(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


def output_schema_of(document: ApiDocument, responses: Any) -> dict[str, Any] | None:
    """The schema of what the operation answers where all goes well, if it says one that can be followed."""
    if not isinstance(responses, Mapping):
        return None
    answers = cast("Mapping[str, Any]", responses)
    for status in sorted(status for status in map(str, answers) if status.startswith("2")):
        try:
            schema = _json_schema(document.followed(answers[status]))
            if schema is None:
                continue
            maker = SchemaMaker(document, "response")
            made = maker.make(schema)
        except (Unfollowed, KeyError):
            return None
        if not isinstance(made, dict):
            return None
        found = cast("dict[str, Any]", made)
        return {**found, "$defs": maker.defs} if maker.defs else found
    return None


def _json_schema(response: Any) -> Any:
    content = cast("Mapping[str, Any]", response).get("content") if isinstance(response, Mapping) else None
    for media_type, media in cast("Mapping[str, Any]", content if isinstance(content, Mapping) else {}).items():
        plain = _plain(media_type)
        if (plain == "application/json" or plain.endswith("+json")) and isinstance(media, Mapping):
            return cast("Mapping[str, Any]", media).get("schema")
    return None
