"""A registry, and a person who uploads modules to it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.external.running_registry import JsonObject, RunningRegistry, running_registry

MODULES = "/api/v1/mcp-servers/modules"
SERVERS = "/api/v1/mcp-servers"


@pytest.fixture(scope="session")
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tests' registries keep compiled code."""
    return tmp_path_factory.mktemp("wasm")


@pytest.fixture(scope="module")
async def registry_of_all(database_url: str, compiled_once: Path) -> AsyncGenerator[RunningRegistry]:
    async with running_registry(
        database_url, call_timeout_s=5, max_answer_bytes=10_000, wasm_cache_dir=compiled_once
    ) as running:
        yield running


@pytest.fixture
def registry(registry_of_all: RunningRegistry) -> RunningRegistry:
    """The module's registry, and an owner who has nothing yet."""
    return replace(registry_of_all, owner=f"owner-{uuid.uuid4().hex}")


class WasmOwner:
    """What a person does with modules."""

    def __init__(self, registry: RunningRegistry) -> None:
        self.registry = registry

    async def upload(self, source: bytes, *, owner: str | None = None) -> str:
        """The hash of an uploaded module."""
        headers = self.registry.issuer.person(owner or self.registry.owner)
        answer = await self.registry.http.post(MODULES, content=source, headers=headers)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["sha256"])

    async def server(self, source: bytes, name: str = "math", **setup: Any) -> JsonObject:
        """A registered server."""
        answer = await self.ask_for_server({"module": await self.upload(source), **setup}, name)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def ask_for_server(self, wasm: JsonObject, name: str = "math") -> httpx.Response:
        """The answer to a registration."""
        return await self.registry.ask("POST", SERVERS, {"name": name, "transport": "wasm", "wasm": wasm})

    async def wasm(self, server: JsonObject) -> JsonObject:
        """What the server runs, and its usage."""
        answer = await self.registry.ask("GET", f"{SERVERS}/{server['id']}/wasm")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def tell(self, server: JsonObject, what: str) -> JsonObject:
        """Stop it, start it, restart it."""
        answer = await self.registry.ask("POST", f"{SERVERS}/{server['id']}/{what}")
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def owner(registry: RunningRegistry) -> WasmOwner:
    return WasmOwner(registry)
