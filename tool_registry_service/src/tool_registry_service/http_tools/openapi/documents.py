"""Reading an OpenAPI document: JSON or YAML, version 3.0 or 3.1, nothing outside of itself."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast
from urllib.parse import unquote

from pydantic import ValidationError

from kgents_shared.errors import FaultItem
from tool_registry_service.canonical import canonical_hash
from tool_registry_service.http_tools.bounds import is_within

Version = Literal["3.0", "3.1"]
_MAX_DEPTH = 64
_MAX_NODES = 200_000
_MAX_HOPS = 16
_MAX_FAULTS = 20


class BadDocument(Exception):
    """A document of which no tools can be made; `faults` say where and why."""

    def __init__(self, faults: list[FaultItem]) -> None:
        super().__init__(faults[0].msg)
        self.faults = faults


class Unfollowed(Exception):
    """A reference that isn't followed; the text ends a sentence that begins with what it stands in."""


@dataclass(frozen=True, slots=True)
class ApiDocument:
    """A document that is built as OpenAPI wants it."""

    data: Mapping[str, Any]
    version: Version

    @property
    def digest(self) -> str:
        """SHA-256 of its data, however it was written."""
        return canonical_hash(self.data)

    def at(self, pointer: str) -> Any:
        """What a reference within the document leads to (RFC 6901). Raises `Unfollowed`."""
        if not pointer.startswith("#/"):
            raise Unfollowed("refers to another document, and none is read")
        current: Any = self.data
        for part in pointer[2:].split("/"):
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(current, Mapping) and key in current:
                current = cast("Mapping[str, Any]", current)[key]
            elif isinstance(current, list) and key.isdecimal() and int(key[:9]) < len(cast("list[Any]", current)):
                current = cast("list[Any]", current)[int(key)]
            else:
                raise Unfollowed(f"refers to {pointer[:200]}, which isn't there")
        return current

    def followed(self, value: Any) -> Any:
        """`value`, or what its references lead to. Raises `Unfollowed`."""
        for _ in range(_MAX_HOPS):
            if not isinstance(value, Mapping) or not isinstance(value.get("$ref"), str):
                return value
            value = self.at(value["$ref"])
        raise Unfollowed("refers in a circle")


def read_document(given: str | Mapping[str, Any]) -> ApiDocument:
    """The document of a text or of data. Raises `BadDocument`."""
    data = _parsed(given) if isinstance(given, str) else given
    if not isinstance(data, Mapping):
        raise _bad("openapi_document", "is no OpenAPI document: one is an object", "send the whole document")
    document = cast("Mapping[str, Any]", data)
    _refuse_size(document)
    version = _version(document)
    _refuse_shape(document, version)
    return ApiDocument(document, version)


def _parsed(text: str) -> Any:
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        try:
            return json.loads(text.removeprefix("\ufeff"))
        except json.JSONDecodeError as error:
            place = {"line": error.lineno, "column": error.colno}
            raise BadDocument([FaultItem((), error.msg, "json_syntax", "send JSON or YAML", place)]) from error
        except (ValueError, RecursionError) as error:
            raise _bad("json_syntax", "is JSON that can't be read", "send JSON or YAML") from error
    from kgents_shared.yaml_documents import BadYaml, read_yaml  # noqa: PLC0415 -- few starts need it

    try:
        documents = read_yaml(text, core_schema=True)
    except BadYaml as error:
        place = {} if error.line is None or error.column is None else {"line": error.line, "column": error.column}
        raise BadDocument([FaultItem((), str(error), "yaml_syntax", error.hint, place)]) from error
    if len(documents) != 1:
        raise _bad("openapi_document", "is no OpenAPI document: one is an object", "send the whole document")
    return documents[0]


def _refuse_size(document: Mapping[str, Any]) -> None:
    """Before anything recursive reads it."""
    if not is_within(document, _MAX_DEPTH, _MAX_NODES):
        raise _bad(
            "openapi_too_large",
            f"has over {_MAX_NODES} values, nests deeper than {_MAX_DEPTH}, or has a number that is none",
            "send the part of it that is needed",
        )


def _version(document: Mapping[str, Any]) -> Version:
    said = document.get("openapi")
    if isinstance(said, str) and said.startswith("3.0."):
        return "3.0"
    if isinstance(said, str) and said.startswith("3.1."):
        return "3.1"
    if "swagger" in document:
        raise _bad("openapi_version", "is Swagger 2.0", "convert it to OpenAPI 3.0 first, with its vendor's converter")
    raise _bad("openapi_version", "has no field openapi that says 3.0 or 3.1", "send an OpenAPI document of 3.0 or 3.1")


def _refuse_shape(document: Mapping[str, Any], version: Version) -> None:
    # Loaded here: it takes longer than the rest of the service, and few starts need it.
    if version == "3.0":
        from openapi_pydantic.v3.v3_0 import OpenAPI  # noqa: PLC0415
    else:
        from openapi_pydantic.v3.v3_1 import OpenAPI  # noqa: PLC0415
    try:
        OpenAPI.model_validate(document)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        # Where either an object or a reference may stand, both are tried; that it is no reference says nothing.
        told = [fault for fault in found if "Reference" not in fault["loc"]] or found
        raise BadDocument(
            [FaultItem(tuple(fault["loc"]), fault["msg"], "openapi_document") for fault in told[:_MAX_FAULTS]]
        ) from error


def _bad(code: str, msg: str, hint: str) -> BadDocument:
    return BadDocument([FaultItem((), msg, code, hint)])
