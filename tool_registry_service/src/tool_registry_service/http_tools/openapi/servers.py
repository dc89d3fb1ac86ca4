"""Where an API is: the first of its servers, or what whoever imports it says."""

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urljoin, urlsplit

from kgents_shared.errors import FaultItem
from tool_registry_service.http_tools.openapi.documents import ApiDocument, BadDocument


def base_url_of(document: ApiDocument, document_url: str | None) -> str:
    """The address that the paths of a document are below. Raises `BadDocument` where it names none."""
    servers = document.data.get("servers")
    first = cast("list[Any]", servers)[0] if isinstance(servers, list) and servers else {"url": "/"}
    url = server_url(first, document_url)
    if url is None:
        raise BadDocument([
            FaultItem(("servers",), "names no address that the API is at", "openapi_no_server", "say it with base_url")
        ])  # fmt: skip
    return url


def server_url(server: Any, document_url: str | None) -> str | None:
    """The address of one server with its variables' defaults; None where that is no address."""
    if not isinstance(server, Mapping):
        return None
    known = cast("Mapping[str, Any]", server)
    url = str(known.get("url", "/"))
    variables = known.get("variables")
    if isinstance(variables, Mapping):
        for name, variable in cast("Mapping[str, Any]", variables).items():
            if isinstance(variable, Mapping):
                default = cast("Mapping[str, Any]", variable).get("default", "")
                url = url.replace(f"{{{name}}}", str(default))
    try:
        whole = urljoin(document_url, url) if document_url else url
        parts = urlsplit(whole)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return None
    return whole.partition("#")[0].rstrip("/") if is_address and not set("{}") & set(whole) else None
