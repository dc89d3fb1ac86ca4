"""Parameters of an operation as arguments of a tool."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from tool_registry_service.http_tools.openapi.documents import ApiDocument, Unfollowed
from tool_registry_service.http_tools.openapi.schemas import SchemaMaker
from tool_registry_service.http_tools.sending import Style
from tool_registry_service.http_tools.templates import escaped

_MAX_ARGUMENTS = 100
_MAX_TEXT = 2_000
# Set by whoever sends a request, or by the credential (OpenAPI itself says that the first three are ignored).
NOT_FROM_ARGUMENTS: Final = frozenset({
    "accept", "content-type", "authorization", "host", "content-length", "transfer-encoding", "connection", "upgrade",
    "te", "trailer", "expect", "keep-alive", "proxy-authorization", "proxy-connection", "cookie", "accept-encoding",
    "idempotency-key", "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto",
})  # fmt: skip
_STYLES: Final[Mapping[str, Style]] = {"spaceDelimited": "space", "pipeDelimited": "pipe", "deepObject": "deep"}
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")


class Arguments:
    """The arguments of one tool, and where each goes."""

    def __init__(self, maker: SchemaMaker) -> None:
        self.maker = maker
        self.path = ""
        self.query: dict[str, Any] = {}
        self.headers: dict[str, str] = {}
        self.styles: dict[str, Style] = {}
        self._properties: dict[str, Any] = {}
        self._required: list[str] = []

    def add(self, name: str, place: str, given: Mapping[str, Any], schema: Any = None) -> str:
        """Take in a parameter or a body, with its schema where that isn't its own; what it is called in the tool."""
        stem = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:60].strip("_") or place
        called = stem if stem not in self._properties else f"{stem}_{place}"
        while called in self._properties:
            called = f"{called}_2"
        if len(self._properties) >= _MAX_ARGUMENTS:
            raise Unfollowed(f"has over {_MAX_ARGUMENTS} parameters")
        made = self.maker.make(_schema(given) if schema is None else schema)
        description = given.get("description")
        if isinstance(description, str) and description.strip() and isinstance(made, dict):
            made = {**cast("dict[str, Any]", made), "description": description.strip()[:_MAX_TEXT]}
        self._properties[called] = made
        if given.get("required") is True:
            self._required.append(called)
        return called

    def schema(self) -> dict[str, Any]:
        """The schema of all of them."""
        made: dict[str, Any] = {"type": "object", "properties": self._properties, "additionalProperties": False}
        if self._required:
            made["required"] = self._required
        if self.maker.defs:
            made["$defs"] = self.maker.defs
        return made


def parameters_of(document: ApiDocument, path: str, lists: tuple[Any, ...], arguments: Arguments) -> list[str]:
    """Take in the parameters of a path and its operation; a sentence's end for each that is skipped.

    Raises:
        Unfollowed: one that must be given can't be.
    """
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for entry in _entries(document, lists):
        found[str(entry.get("name")), str(entry.get("in"))] = entry
    skipped: list[str] = []
    in_path: dict[str, str] = {}
    for (name, place), parameter in found.items():
        if place == "path":
            in_path[name] = _path_argument(name, parameter, arguments)
        elif place == "query":
            called = arguments.add(name, place, parameter)
            arguments.query[name] = f"{{{called}}}"
            arguments.styles[name] = _query_style(parameter)
        elif place == "header" and _TOKEN.fullmatch(name) is None:
            raise Unfollowed(f"names a header that can't be sent: {name[:80]!r}")
        elif place == "header" and name.lower() not in NOT_FROM_ARGUMENTS:
            called = arguments.add(name, place, parameter)
            arguments.headers[name] = f"{{{called}}}"
        elif place == "cookie" and parameter.get("required") is True:
            raise Unfollowed(f"wants the cookie {name[:80]}, and none are sent")
        elif place == "cookie":
            skipped.append(f"the cookie {name[:80]} is not sent")
    arguments.path = _path(path, in_path)
    return skipped


def _entries(document: ApiDocument, lists: tuple[Any, ...]) -> Iterator[Mapping[str, Any]]:
    for entries in lists:
        for entry in cast("list[Any]", entries if isinstance(entries, list) else []):
            parameter = document.followed(entry)
            if isinstance(parameter, Mapping):
                yield cast("Mapping[str, Any]", parameter)


def _path_argument(name: str, parameter: Mapping[str, Any], arguments: Arguments) -> str:
    if parameter.get("style", "simple") != "simple":
        raise Unfollowed(f"writes {name[:80]} in its path in a style that isn't known here")
    return arguments.add(name, "path", {**parameter, "required": True})


def _schema(parameter: Mapping[str, Any]) -> Any:
    content = parameter.get("content")
    if isinstance(content, Mapping) and content:
        media = next(iter(cast("Mapping[str, Any]", content).values()))
        return cast("Mapping[str, Any]", media).get("schema", {}) if isinstance(media, Mapping) else {}
    return parameter.get("schema", {})


def _query_style(parameter: Mapping[str, Any]) -> Style:
    if parameter.get("content"):
        return "json"
    style = _STYLES.get(str(parameter.get("style", "form")))
    if style is None and parameter.get("explode") is False:
        style = "comma"
    return style or ("fields" if _is_object(parameter.get("schema")) else "repeat")


def _is_object(schema: Any) -> bool:
    return isinstance(schema, Mapping) and cast("Mapping[str, Any]", schema).get("type") == "object"


def _path(path: str, in_path: Mapping[str, str]) -> str:
    pieces: list[str] = []
    end = 0
    for match in _PLACEHOLDER.finditer(path):
        if match[1] not in in_path:
            raise Unfollowed(f"has {match[0][:80]} in its path and no parameter of that name")
        pieces += [escaped(path[end : match.start()]), f"{{{in_path[match[1]]}}}"]
        end = match.end()
    return "".join([*pieces, escaped(path[end:])])
