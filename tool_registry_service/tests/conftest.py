"""The registry on a real database, with real MCP servers beside it."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from auth_service.main import SERVICE as AUTH
from tests.external.credential_owner import CredentialOwner, credential_owner, vault_over_http
from tests.external.real_mcp_servers import mcp_time_command
from tests.external.running_auth import RunningAuth
from tests.external.running_registry import RunningRegistry, running_registry
from tests.external.scripted_api import ScriptedApi, scripted_api
from tests.external.scripted_mcp import ScriptedServer, scripted_server, stdio_words
from tests.external.wayward_mcp import WaywardServer, wayward_server
from tool_registry_service.main import SERVICE
from tool_registry_service.settings import StdioCommand


@pytest.fixture(scope="session")
async def database_url(migrated_database: Callable[[Any], Awaitable[str]]) -> str:
    return await migrated_database(SERVICE)


@pytest.fixture(scope="module")
def shared_stdio_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stdio")


@pytest.fixture
def stdio_folder(shared_stdio_folder: Path) -> Path:
    """Where the scripted server over stdio keeps its files; there are none yet."""
    for file in shared_stdio_folder.iterdir():
        file.unlink()
    return shared_stdio_folder


@pytest.fixture(scope="module")
def stdio_command(shared_stdio_folder: Path) -> StdioCommand:
    """The scripted server as an entry of the operator's list, without network."""
    command, args = stdio_words(shared_stdio_folder)
    return StdioCommand(command=command, args=args, writable=(shared_stdio_folder,))


@pytest.fixture(scope="module")
async def shared_registry(database_url: str, stdio_command: StdioCommand) -> AsyncGenerator[RunningRegistry]:
    """A registry with small limits, whose operator allows the scripted server over stdio."""
    async with running_registry(
        database_url,
        stdio_allowed={"scripted": stdio_command},
        call_timeout_s=5,
        max_answer_bytes=1_000_000,
        max_result_bytes=10_000,
    ) as running:
        yield running


@pytest.fixture
def registry(shared_registry: RunningRegistry, stdio_folder: Path) -> RunningRegistry:
    """The module's registry, asked by an owner who has nothing yet."""
    del stdio_folder  # empty
    return replace(shared_registry, owner=f"owner-{uuid4().hex}")


@pytest.fixture(scope="session")
async def shared_scripted(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[ScriptedServer]:
    """The scripted server over HTTP, one process for all tests."""
    async with scripted_server(tmp_path_factory.mktemp("http")) as server:
        yield server


@pytest.fixture
async def scripted(shared_scripted: ScriptedServer) -> ScriptedServer:
    """The scripted server, running and as it is when nobody told it anything."""
    shared_scripted.forget()
    if shared_scripted.process is None:
        await shared_scripted.start()
    return shared_scripted


@pytest.fixture(scope="session")
def time_command() -> Path:
    """`mcp-server-time`, installed in an environment of its own."""
    return mcp_time_command()


@pytest.fixture(scope="module")
async def vault(
    migrated_database: Callable[[Any], Awaitable[str]], nats_server: Any, identity_keys: Path
) -> AsyncGenerator[tuple[RunningAuth, str]]:
    """The auth service over HTTP, and where it is. It ends with the module: where auth's own tests come after in the
    same process, it would take what they wait for from their service's queue.
    """
    async with vault_over_http(await migrated_database(AUTH), nats_server, identity_keys) as running:
        yield running


@pytest.fixture
async def somebody(vault: tuple[RunningAuth, str], database_url: str) -> AsyncGenerator[CredentialOwner]:
    """Somebody who has credentials and a registry."""
    async with credential_owner(vault, database_url) as owner:
        yield owner


@pytest.fixture(scope="session")
async def shared_api() -> AsyncGenerator[ScriptedApi]:
    """An HTTP API that tools call, one for all tests."""
    async with scripted_api() as api:
        yield api


@pytest.fixture
def api(shared_api: ScriptedApi) -> ScriptedApi:
    """The HTTP API, as it is when nobody asked it anything."""
    shared_api.requests.clear()
    shared_api.answers.clear()
    return shared_api


@pytest.fixture(scope="session")
async def shared_wayward() -> AsyncGenerator[WaywardServer]:
    async with wayward_server() as server:
        yield server


@pytest.fixture
def wayward(shared_wayward: WaywardServer) -> WaywardServer:
    """A server that keeps the protocol or breaks it, as it is when nobody asked it anything."""
    shared_wayward.forget()
    return shared_wayward
