"""Compiled code on disk, by the hash of its source. It is native code: what somebody else wrote there isn't run.

Each file begins with an HMAC over its name and content, under a key that only this service has.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path

import structlog

from tool_registry_service.wasm_tools.engine import CONFIGURATION
from tool_registry_service.wasm_tools.faults import NotATool

_log = structlog.get_logger("kgents.tools.wasm")
_MAC_BYTES = 32
_COMPONENT = b"component\n"
_CORE = b"core     \n"
_MARK_BYTES = len(_CORE)


@dataclass(frozen=True, slots=True)
class CompiledCode:
    """Native code of a module, for this machine and wasmtime's version."""

    is_component: bool
    code: bytes


class CodeCache:
    """Compiles what isn't there yet; one module at a time."""

    def __init__(self, folder: Path, key: bytes, *, max_bytes: int, compile_timeout_s: float) -> None:
        self._folder = folder
        self._key = hmac.digest(key, b"kgents compiled wasm", "sha256")
        self._max_bytes = max_bytes
        self._compile_timeout_s = compile_timeout_s
        self._compiling = asyncio.Lock()

    async def compiled(self, source_hash: str, source: bytes) -> CompiledCode:
        """The code of a source; raises `NotATool`."""
        kept = await self.kept(source_hash)
        if kept is not None:
            return kept
        async with self._compiling:
            kept = await self.kept(source_hash)
            if kept is None:
                kept = await self._compile(source)
                await asyncio.to_thread(self._keep, source_hash, kept)
            return kept

    async def kept(self, source_hash: str) -> CompiledCode | None:
        """What is on disk, if it is whole and ours."""
        return await asyncio.to_thread(self._read, source_hash)

    async def _compile(self, source: bytes) -> CompiledCode:
        mark = secrets.token_hex(8)
        given, made = self._folder / f"{mark}.source", self._folder / f"{mark}.compiled"
        try:
            await asyncio.to_thread(self._write, given, source)
            said = await self._run(given, made)
            if "fault" in said:
                raise NotATool(str(said["fault"]))
            return CompiledCode(said["kind"] == "component", await asyncio.to_thread(made.read_bytes))
        finally:
            given.unlink(missing_ok=True)
            made.unlink(missing_ok=True)

    async def _run(self, given: Path, made: Path) -> dict[str, str]:
        words = ["-P", "-m", "tool_registry_service.wasm_tools.compiling", str(given), str(made)]
        process = await asyncio.create_subprocess_exec(
            sys.executable, *words, str(int(self._compile_timeout_s * 4)), env={"PATH": os.defpath},
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(self._compile_timeout_s):
                out, errors = await process.communicate()
        except TimeoutError as error:
            raise NotATool(f"it isn't compiled within {self._compile_timeout_s:g} s") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0 or not out:
            _log.warning(
                "wasm_compiler_failed", code=process.returncode, errors=errors[-500:].decode("utf-8", "replace")
            )
            raise NotATool("it takes more than a module may take to compile")
        return json.loads(out)

    def _read(self, source_hash: str) -> CompiledCode | None:
        path = self._path(source_hash)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        mac, body = content[:_MAC_BYTES], memoryview(content)[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(path, body)):
            _log.warning("wasm_cache_not_ours", file=path.name)
            path.unlink(missing_ok=True)
            return None
        os.utime(path)
        return CompiledCode(bytes(body[:_MARK_BYTES]) == _COMPONENT, bytes(body[_MARK_BYTES:]))

    def _keep(self, source_hash: str, made: CompiledCode) -> None:
        path = self._path(source_hash)
        body = (_COMPONENT if made.is_component else _CORE) + made.code
        self._make_room(len(body))
        beside = path.with_name(f"{secrets.token_hex(8)}.new")
        self._write(beside, self._mac(path, memoryview(body)) + body)
        beside.replace(path)

    def _make_room(self, wanted: int) -> None:
        """Delete what was longest not used."""
        found = sorted((path.stat().st_mtime, path.stat().st_size, path) for path in self._folder.glob("*.native"))
        total = wanted + sum(size for _, size, _ in found)
        for _, size, path in found:
            if total <= self._max_bytes:
                return
            path.unlink(missing_ok=True)
            total -= size

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)

    def _mac(self, path: Path, body: memoryview) -> bytes:
        mac = hmac.new(self._key, path.name.encode() + b"\n", hashlib.sha256)
        mac.update(body)
        return mac.digest()

    def _path(self, source_hash: str) -> Path:
        return self._folder / f"{source_hash}-{CONFIGURATION}.native"
