"""Scratch files: within a conversation, within quotas, and never out of the folder."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest

from kgents_shared.db import open_pool
from tests.external.running_registry import JsonObject, RunningRegistry, running_registry
from tool_registry_service.builtin_tools.scratch_age import ScratchAge
from tool_registry_service.builtin_tools.scratch_rows import FolderQuota, ScratchRepository


@pytest.fixture(scope="module")
async def keeping(database_url: str) -> AsyncGenerator[RunningRegistry]:
    """A registry with small quotas."""
    limits: JsonObject = {"files_max_bytes": 2000, "files_per_conversation": 3, "files_conversation_bytes": 3000}
    async with running_registry(database_url, **limits) as registry:
        yield registry


class Desk:
    """One conversation's calls of the file tools."""

    def __init__(self, registry: RunningRegistry, owner: str | None = None, conversation: str | None = None) -> None:
        self.registry = registry
        self.owner = owner or f"owner-{uuid4().hex}"
        self.conversation = conversation or str(uuid4())

    async def __call__(self, tool: str, **arguments: object) -> JsonObject:
        said = {"owner_id": self.owner, "conversation_id": self.conversation}
        return await self.registry.invoke(f"files.{tool}", arguments, **said)

    async def text(self, tool: str, **arguments: object) -> str:
        return str((await self(tool, **arguments))["content"])


async def test_what_is_written_is_read_listed_and_deleted(keeping: RunningRegistry) -> None:
    desk = Desk(keeping)
    assert await desk.text("list") == "There are no files."
    assert await desk.text("write", path="notes/a.md", content="Grüße\n") == "notes/a.md has 8 bytes now."
    await desk("write", path="./notes/a.md", content="more", append=True)
    assert await desk.text("read", path="notes/a.md") == "Grüße\nmore"
    assert (
        await desk.text("read", path="notes/a.md", start=6, max_chars=2) == "mo\n[2 characters more: read with start 8]"
    )
    await desk("write", path="b.txt", content="")
    assert [line.split(" (")[0] for line in (await desk.text("list")).splitlines()] == ["b.txt", "notes/a.md"]
    assert (await desk.text("list", prefix="notes/")).startswith("notes/a.md (12 bytes")
    assert await desk.text("delete", path="b.txt") == "b.txt is deleted."
    for tool in ("read", "delete"):
        assert (await desk(tool, path="b.txt"))["is_error"]


async def test_whole_numbers_may_be_written_as_json_schema_lets_them(keeping: RunningRegistry) -> None:
    desk = Desk(keeping)
    await desk("write", path="a", content="hello")
    assert await desk.text("read", path="a", start=1.0, max_chars=2.0) == "el\n[2 characters more: read with start 3]"
    assert "no path" in await desk.text("list", prefix="\x00")


async def test_files_are_seen_in_their_conversation_by_their_owner_alone(keeping: RunningRegistry) -> None:
    desk = Desk(keeping)
    await desk("write", path="a", content="mine")
    for other in (Desk(keeping, desk.owner), Desk(keeping, None, desk.conversation)):
        assert await other.text("list") == "There are no files."
        assert (await other("read", path="a"))["is_error"]
    nowhere = await keeping.invoke("files.list", {})
    assert nowhere["is_error"]
    assert "within one alone" in nowhere["content"]


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../x",
        "a/../b",
        "a//b",
        ".",
        "a/",
        "a\\b",
        "a\nb",
        "a\x00b",
        " a",
        "x" * 201,
        "/".join("abcdefghijk"),
    ],
)
async def test_no_path_leads_out_of_the_folder(keeping: RunningRegistry, path: str) -> None:
    desk = Desk(keeping)
    for tool, more in (("write", {"content": "x"}), ("read", {}), ("delete", {})):
        assert (await desk(tool, path=path, **more))["is_error"]
    assert await desk.text("list") == "There are no files."


async def test_quotas_hold(keeping: RunningRegistry) -> None:
    desk = Desk(keeping)
    assert "2000 bytes at most" in await desk.text("write", path="a", content="ü" * 1001)
    await desk("write", path="a", content="x" * 1500)
    assert "2000 bytes at most" in await desk.text("write", path="a", content="x" * 501, append=True)
    assert "room for 1500 bytes more" in await desk.text("write", path="b", content="x" * 1501)
    await desk("write", path="a", content="x")
    for path in ("b", "c"):
        await desk("write", path=path, content="x")
    assert "3 files, the most" in await desk.text("write", path="d", content="x")


async def test_quotas_hold_for_writes_at_once(keeping: RunningRegistry) -> None:
    desk = Desk(keeping)
    results = await asyncio.gather(*(desk("write", path=f"f{number}", content="x" * 900) for number in range(12)))
    assert sum(not result["is_error"] for result in results) == 3
    await asyncio.gather(*(desk("write", path="f0", content="y" * 99, append=True) for _ in range(5)))
    sizes = [int(line.split("(")[1].split(" ")[0]) for line in (await desk.text("list")).splitlines()]
    assert sum(sizes) <= 3000


async def test_folders_that_nobody_writes_in_are_cleared(keeping: RunningRegistry, database_url: str) -> None:
    old, used = Desk(keeping), Desk(keeping)
    for desk in (old, used):
        for path in ("a", "b"):
            await desk("write", path=path, content="x")
    query = "UPDATE tools.scratch_files SET updated_at = now() - %s WHERE conversation_id = %s AND path = ANY(%s)"
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute(query, (timedelta(days=31), old.conversation, ["a", "b"]))
        await connection.execute(query, (timedelta(days=31), used.conversation, ["a"]))
    async with open_pool(database_url, max_size=2) as pool:
        assert await ScratchAge(ScratchRepository(pool, FolderQuota(1, 1, 1)), 30).clear() >= 2
    assert await old.text("list") == "There are no files."
    assert len((await used.text("list")).splitlines()) == 2
