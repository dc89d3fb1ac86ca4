import re
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI
from pydantic import BaseModel
from starlette.types import ASGIApp

from kgents_shared.auth import require
from kgents_shared.contracts.path_table import load_path_table
from platform_host.dispatcher import Dispatcher
from platform_host.health_board import HealthBoard
from platform_host.openapi_document import merged_openapi
from platform_host.pages import health_page, public_pages


def first_service() -> FastAPI:
    app = FastAPI(title="First")

    class Item(BaseModel):
        id: int

    class Shared(BaseModel):
        text: str

    @app.get("/api/v1/first")
    async def show() -> Item: ...

    @app.get("/api/v1/shared")
    async def shared() -> Shared: ...

    @app.get("/internal/secret")
    async def internal() -> Item: ...

    return app


def second_service() -> FastAPI:
    app = FastAPI(title="Second")

    class Item(BaseModel):
        name: str

    class Shared(BaseModel):
        text: str

    @app.post("/api/v1/second", dependencies=[Depends(require("agents:write", "agents:read"))])
    async def make(item: Item) -> list[Item]: ...

    @app.get("/api/v1/second/shared")
    async def shared() -> Shared: ...

    return app


DOCUMENT = merged_openapi({"first": first_service(), "second": second_service()}, "9.9")


async def ask(app: ASGIApp, path: str, method: str = "GET", headers: dict[str, str] | None = None) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://kgents") as client:
        return await client.request(method, path, headers=headers)


def public_app(board: HealthBoard) -> ASGIApp:
    return Dispatcher(load_path_table(), {}, public_pages(board, lambda: DOCUMENT))


def test_the_document_has_every_public_path_of_every_service_and_no_internal_one() -> None:
    assert list(DOCUMENT["paths"]) == ["/api/v1/first", "/api/v1/second", "/api/v1/second/shared", "/api/v1/shared"]
    assert [tag["name"] for tag in DOCUMENT["tags"]] == ["first", "second"]
    assert DOCUMENT["paths"]["/api/v1/second"]["post"]["tags"] == ["second"]


def test_components_of_one_name_are_told_apart_only_where_they_differ() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert list(schemas["Item"]["properties"]) == ["id"]
    assert list(schemas["SecondItem"]["properties"]) == ["name"]
    assert "SecondShared" not in schemas
    body = DOCUMENT["paths"]["/api/v1/second"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/SecondItem"}


def test_every_reference_of_the_document_leads_somewhere() -> None:
    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return own + [found for value in node.values() for found in references(value)]
        return [found for value in node for found in references(value)] if isinstance(node, list) else []

    found = references(DOCUMENT)
    assert found
    for reference in found:
        _, _, kind, name = reference.split("/")
        assert name in DOCUMENT["components"][kind]


def test_operations_say_which_scopes_they_ask_for_and_have_ids_of_their_own() -> None:
    assert DOCUMENT["paths"]["/api/v1/second"]["post"]["security"] == [{"bearer": ["agents:read", "agents:write"]}]
    assert "security" not in DOCUMENT["paths"]["/api/v1/first"]["get"]
    ids = [operation["operationId"] for item in DOCUMENT["paths"].values() for operation in item.values()]
    assert len(set(ids)) == len(ids)


async def test_the_documentation_loads_nothing_from_elsewhere() -> None:
    app = public_app(HealthBoard("1"))
    page = await ask(app, "/docs")
    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["content-security-policy"]
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert addresses
    for address in addresses:
        assert address.startswith("/")
        assert (await ask(app, address)).status_code == 200
    assert "SwaggerUIBundle" in (await ask(app, "/docs/swagger-ui-bundle.js")).text
    assert (await ask(app, "/openapi.json")).json() == DOCUMENT
    assert (await ask(app, "/")).headers["location"] == "/docs"


async def test_a_browser_that_has_a_file_already_is_told_so() -> None:
    app = public_app(HealthBoard("1"))
    first = await ask(app, "/docs/swagger-ui.css")
    again = await ask(app, "/docs/swagger-ui.css", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/", "/health", "/docs", "/openapi.json"])
async def test_pages_only_answer_reads(path: str) -> None:
    app = public_app(HealthBoard("1"))
    assert (await ask(app, path, "POST")).status_code == 405
    assert (await ask(app, path, "HEAD")).status_code in (200, 307, 503)


async def test_health_is_503_until_ready_and_is_never_kept_by_anyone() -> None:
    board = HealthBoard("1")
    app = health_page(board)
    assert (await ask(app, "/health")).status_code == 503
    board.phase = "ready"
    answer = await ask(app, "/health")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.json()["status"] == "ok"


async def test_health_asks_nobody_while_it_answers() -> None:
    asked: list[str] = []

    async def probe() -> bool:
        asked.append("database")
        return True

    board = HealthBoard("1")
    board.phase = "ready"
    board.watch_service("auth", {"database": probe})
    await board.probe()
    for _ in range(3):
        assert (await ask(health_page(board), "/health")).status_code == 200
    assert asked == ["database"]
