"""`local`: a file of this machine, 0600, made at the first start like the signing key."""

import asyncio
import fcntl
import os
import secrets
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from auth_service.vault.master_keys.provider import KeyStoreReadOnly, MasterKeyError
from auth_service.vault.master_keys.ring import KeyRing, MasterKey

_ADVICE = (
    "AUTH_VAULT_KEY_FILE must name a file of master keys that this process may read: a line of base64 each "
    "(openssl rand -base64 32), the newest first"
)


class LocalKeyFile:
    """Master keys in `file`. A new key replaces the file in one step: half of it is never seen."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @property
    def place(self) -> str:
        """The file's path."""
        return str(self._file)

    async def load(self) -> KeyRing | None:
        """The keys in the file, None where there is none."""
        return await asyncio.to_thread(self._load)

    async def add(self, key: MasterKey) -> None:
        """Write the file anew with `key` as its first line; on disk when this returns."""
        await asyncio.to_thread(self._add, key)

    async def close(self) -> None:
        """Nothing is held open."""

    def _load(self) -> KeyRing | None:
        try:
            text = self._file.read_text("utf-8")
            mode = self._file.stat().st_mode
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise MasterKeyError(f"{self._file} can't be read ({type(error).__name__}): {_ADVICE}") from error
        if mode & stat.S_IRWXO:
            raise MasterKeyError(f"{self._file} is open to every user of this machine: chmod 600 {self._file}")
        try:
            return KeyRing.parse(text)
        except ValueError as error:
            raise MasterKeyError(f"{self._file} holds no master keys ({error}): {_ADVICE}") from error

    def _add(self, key: MasterKey) -> None:
        try:
            with _locked(self._file.parent):
                found = self._load()
                ring = KeyRing((key,)) if found is None else found.with_newest(key)
                _replace(self._file, ring.as_text())
        except OSError as error:
            raise KeyStoreReadOnly(
                f"{self._file} can't be written ({error.strerror}): let this process write there, or put a new key "
                "first in it yourself (openssl rand -base64 32)"
            ) from error


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    """Hold the folder's lock, so that processes on one machine add one after another; then its names are durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replace(file: Path, text: str) -> None:
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
