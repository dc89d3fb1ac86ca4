"""All SQL of scratch files: plain statements, since they stand on a message's path."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from kgents_shared.db import HotPool

_ALONE = "SELECT pg_advisory_xact_lock(hashtext('kgents.tools.files'), hashtext(%s))"
_OTHERS = """
SELECT count(*), coalesce(sum(bytes), 0) FROM tools.scratch_files
WHERE owner_id = %s AND conversation_id = %s AND path <> %s
"""
_READ = "SELECT content FROM tools.scratch_files WHERE owner_id = %s AND conversation_id = %s AND path = %s"
_WRITE = """
INSERT INTO tools.scratch_files (owner_id, conversation_id, path, content, bytes, created_at, updated_at)
VALUES (%s, %s, %s, %s, %s, now(), now())
ON CONFLICT (owner_id, conversation_id, path)
DO UPDATE SET content = excluded.content, bytes = excluded.bytes, updated_at = now()
"""
_LIST = """
SELECT path, bytes, updated_at FROM tools.scratch_files
WHERE owner_id = %s AND conversation_id = %s AND starts_with(path, %s) ORDER BY path
"""
_REMOVE = "DELETE FROM tools.scratch_files WHERE owner_id = %s AND conversation_id = %s AND path = %s RETURNING 1"
_FORGET = """
DELETE FROM tools.scratch_files f USING (
    SELECT owner_id, conversation_id FROM tools.scratch_files
    GROUP BY owner_id, conversation_id HAVING max(updated_at) < %s LIMIT %s
) old WHERE f.owner_id = old.owner_id AND f.conversation_id = old.conversation_id
"""


@dataclass(frozen=True, slots=True)
class Folder:
    """Whose files, and of which conversation."""

    owner_id: str
    conversation_id: UUID


@dataclass(frozen=True, slots=True)
class FolderQuota:
    """What a folder may hold: bytes of one file, files, and bytes of all of them."""

    file_bytes: int
    files: int
    folder_bytes: int


class OverQuota(Exception):
    """There is no room; the text is a sentence for a model."""


class ScratchRepository:
    """The files of conversations."""

    def __init__(self, pool: HotPool, quota: FolderQuota) -> None:
        self._pool = pool
        self._quota = quota

    async def write(self, folder: Folder, path: str, content: str, *, append: bool) -> int:
        """Write or extend a file; its size in bytes. Raises `OverQuota`."""
        self._check_file(len(content.encode()))
        async with self._pool.connection() as connection, connection.transaction():
            # Of two writes at once to one folder, the second sees what the first left.
            await connection.execute(_ALONE, (f"{folder.owner_id} {folder.conversation_id}",))
            whole = (folder.owner_id, folder.conversation_id, path)
            if append:
                before = await (await connection.execute(_READ, whole)).fetchone()
                content = (before[0] if before else "") + content
            size = len(content.encode())
            self._check_file(size)
            others = await (await connection.execute(_OTHERS, whole)).fetchone()
            files, taken = others or (0, 0)
            if files + 1 > self._quota.files:
                raise OverQuota(f"The folder has {files} files, the most that it takes; delete one first.")
            if taken + size > self._quota.folder_bytes:
                left = self._quota.folder_bytes - int(taken)
                raise OverQuota(f"The folder has room for {left} bytes more; delete or shorten something first.")
            await connection.execute(_WRITE, (*whole, content, size))
            return size

    async def read(self, folder: Folder, path: str) -> str | None:
        """What stands in a file; None where there is none."""
        row = await self._one(_READ, (folder.owner_id, folder.conversation_id, path))
        return None if row is None else str(row[0])

    async def listed(self, folder: Folder, prefix: str) -> list[tuple[str, int, datetime]]:
        """Path, bytes and time of the last change of each file."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_LIST, (folder.owner_id, folder.conversation_id, prefix))
            return [(path, size, changed.astimezone(UTC)) for path, size, changed in await cursor.fetchall()]

    async def remove(self, folder: Folder, path: str) -> bool:
        """Delete a file; False where there is none."""
        return await self._one(_REMOVE, (folder.owner_id, folder.conversation_id, path)) is not None

    async def forget(self, *, unchanged_for: timedelta, at_most: int) -> int:
        """Delete the folders in which nothing was written for a time; how many files they had."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_FORGET, (datetime.now(UTC) - unchanged_for, at_most))
            return cursor.rowcount

    def _check_file(self, size: int) -> None:
        if size > self._quota.file_bytes:
            raise OverQuota(f"A file takes {self._quota.file_bytes} bytes at most, and this would have {size}.")

    async def _one(self, query: str, values: tuple[object, ...]) -> tuple[Any, ...] | None:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(query, values)  # pyright: ignore[reportArgumentType]
            return await cursor.fetchone()
