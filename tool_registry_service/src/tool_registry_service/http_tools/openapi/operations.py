"""The operations of a document as tools: one each, with what of it can't be called told in a sentence."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast, get_args

from kgents_shared.contracts.refs import secrets_in
from kgents_shared.contracts.tool_patterns import matching
from kgents_shared.errors import FaultItem
from tool_registry_service.http_tools.definition import HttpDefinition
from tool_registry_service.http_tools.openapi.bodies import body_of, output_schema_of
from tool_registry_service.http_tools.openapi.documents import ApiDocument, BadDocument, Unfollowed
from tool_registry_service.http_tools.openapi.parameters import Arguments, parameters_of
from tool_registry_service.http_tools.openapi.schemas import SchemaMaker
from tool_registry_service.http_tools.openapi.security import placement_of
from tool_registry_service.http_tools.openapi.servers import server_url
from tool_registry_service.http_tools.sending import Method, Sending, origin_of

_MAX_DESCRIPTION = 4_000
_MAX_WARNINGS = 50
_METHODS: Final = tuple(method.lower() for method in get_args(Method))
_READS: Final = frozenset({"get", "head"})


@dataclass(slots=True)
class Compiled:
    """What a document gives: the tools, how many operations it has, and a sentence for each that is left out."""

    tools: list[HttpDefinition] = field(default_factory=list[HttpDefinition])
    operations: int = 0
    warnings: list[str] = field(default_factory=list[str])

    def warn(self, sentence: str) -> None:
        """Keep a sentence, within bounds."""
        if len(self.warnings) < _MAX_WARNINGS:
            self.warnings.append(sentence)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an API is, and where its document was."""

    base_url: str
    document_url: str | None = None


@dataclass(frozen=True, slots=True)
class _Operation:
    name: str
    method: str
    path: str
    item: Mapping[str, Any]
    data: Mapping[str, Any]


def compile_document(document: ApiDocument, place: Place, wanted: Sequence[str], most: int) -> Compiled:
    """The tools of the operations whose names match one of `wanted`; `BadDocument` where they are over `most`."""
    compiled = Compiled()
    names: set[str] = set()
    for operation in _operations(document, compiled):
        compiled.operations += 1
        if matching(operation.name, wanted) is None:
            continue
        if operation.name in names:
            compiled.warn(f"{operation.method.upper()} {operation.path} is left out: {operation.name} is there twice.")
            continue
        names.add(operation.name)
        if len(names) > most:
            msg = f"has over {most} operations, the most that one import takes"
            raise BadDocument([FaultItem((), msg, "too_many_operations", "name those that are needed in operations")])
        try:
            tool = _tool(document, place, operation, compiled)
        except Unfollowed as error:
            compiled.warn(f"{operation.name} is left out: it {error}.")
            continue
        if secrets_in([tool.description, tool.input_schema, tool.sending.model_dump(mode="json")]):
            compiled.warn(f"{operation.name} is left out: it holds what looks like a secret.")
            continue
        compiled.tools.append(tool)
    return compiled


def _operations(document: ApiDocument, compiled: Compiled) -> Iterator[_Operation]:
    paths = document.data.get("paths")
    for path, given in cast("Mapping[str, Any]", paths if isinstance(paths, Mapping) else {}).items():
        if not path.startswith("/"):
            continue
        try:
            item = document.followed(given)
        except Unfollowed as error:
            compiled.warn(f"{path[:200]} is left out: it {error}.")
            continue
        if not isinstance(item, Mapping):
            continue
        known = cast("Mapping[str, Any]", item)
        for method in _METHODS:
            data = known.get(method)
            if isinstance(data, Mapping):
                entry = cast("Mapping[str, Any]", data)
                yield _Operation(_name(entry, method, path), method, path, known, entry)


def _name(data: Mapping[str, Any], method: str, path: str) -> str:
    """The operation's own name in characters that a tool's may have; without one, its method and path."""
    own = data.get("operationId")
    text = own if isinstance(own, str) and own.strip() else f"{method}_{path}"
    return re.sub(r"[^A-Za-z0-9-]+", "_", text).strip("_")[:64] or method


def _tool(document: ApiDocument, place: Place, operation: _Operation, compiled: Compiled) -> HttpDefinition:
    data = operation.data
    maker = SchemaMaker(document, "request")
    arguments = Arguments(maker)
    lists = (operation.item.get("parameters"), data.get("parameters"))
    for sentence in parameters_of(document, operation.path, lists, arguments):
        compiled.warn(f"{operation.name}: {sentence}.")
    body = body_of(document, data.get("requestBody"), arguments)
    url = f"{_base_url(place, operation)}{arguments.path}"
    content_type = {} if body.content_type is None else {"Content-Type": body.content_type}
    sending = Sending(
        method=cast("Method", operation.method.upper()), url=url, query=arguments.query,
        headers={**arguments.headers, **content_type}, body=body.template, body_type=body.type, styles=arguments.styles,
    )  # fmt: skip
    return HttpDefinition(
        name=operation.name, description=_description(operation), input_schema=arguments.schema(),
        output_schema=output_schema_of(document, data.get("responses")), sending=sending,
        placement=placement_of(document, data), suggested="read" if operation.method in _READS else "external",
    )  # fmt: skip


def _base_url(place: Place, operation: _Operation) -> str:
    """The address of the import, whatever single operations say of theirs: a credential goes there and nowhere else."""
    for data in (operation.data, operation.item):
        servers = data.get("servers")
        if isinstance(servers, list) and servers:
            own = server_url(cast("list[Any]", servers)[0], place.document_url)
            if own is None or origin_of(own) != origin_of(place.base_url):
                raise Unfollowed("is at another address than the rest of the API; import it by itself with base_url")
            return own
    return place.base_url


def _description(operation: _Operation) -> str:
    said = [operation.data.get("summary"), operation.data.get("description"), operation.item.get("summary")]
    texts = [text.strip() for text in said if isinstance(text, str) and text.strip()]
    if operation.data.get("deprecated") is True:
        texts.insert(0, "Deprecated.")
    whole = "\n\n".join(dict.fromkeys(texts)) or f"{operation.method.upper()} {operation.path}"
    return whole if len(whole) <= _MAX_DESCRIPTION else f"{whole[:_MAX_DESCRIPTION]}…"
