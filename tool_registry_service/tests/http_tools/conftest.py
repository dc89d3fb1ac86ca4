"""One registry for all tests of HTTP tools, and an owner of its own for each."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from uuid import uuid4

import pytest

from tests.external.credential_owner import CredentialOwner, credential_owner
from tests.external.running_auth import RunningAuth
from tests.external.running_registry import JsonObject, RunningRegistry, running_registry
from tests.external.scripted_mcp import stdio_words
from tool_registry_service.settings import StdioCommand


@pytest.fixture(scope="package")
async def shared_registry(
    database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[RunningRegistry]:
    folder = tmp_path_factory.mktemp("stdio")
    command, args = stdio_words(folder)
    scripted = StdioCommand(command=command, args=args, writable=(folder,))
    limits: JsonObject = {"call_timeout_s": 5, "max_answer_bytes": 1_000_000, "max_result_bytes": 10_000}
    async with running_registry(database_url, stdio_allowed={"scripted": scripted}, **limits) as running:
        yield running


@pytest.fixture
def registry(shared_registry: RunningRegistry) -> RunningRegistry:
    """The registry, asked by an owner who has nothing yet."""
    return replace(shared_registry, owner=f"owner-{uuid4().hex}")


@pytest.fixture(scope="module")
async def shared_owner(vault: tuple[RunningAuth, str], database_url: str) -> AsyncGenerator[CredentialOwner]:
    async with credential_owner(vault, database_url) as owner:
        yield owner


@pytest.fixture
async def somebody(shared_owner: CredentialOwner) -> CredentialOwner:
    """Somebody who has credentials, and nothing at the registry yet."""
    auth = shared_owner.auth
    headers = {"Authorization": f"Bearer {(await auth.log_in())['access_token']}"}
    owner = (await auth.client.get("/api/v1/users/me", headers=headers)).json()["id"]
    return replace(shared_owner, registry=replace(shared_owner.registry, owner=owner), headers=headers)
