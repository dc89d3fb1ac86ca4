"""The scripted MCP server: as a process over HTTP that tests end and start again, and as a stdio command."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from kgents_shared.testing.polling import eventually

_ROOT = Path(__file__).resolve().parents[2]
_STDIO_SERVER = Path(__file__).with_name("scripted_stdio_server.py")


@dataclass(slots=True)
class ScriptedServer:
    """The server over HTTP. Started again, it has the same address."""

    folder: Path
    process: Process | None = None

    @property
    def url(self) -> str:
        """Its MCP endpoint."""
        return f"http://127.0.0.1:{self._port}/mcp/"

    @property
    def _port(self) -> int:
        return int((self.folder / "port").read_text("utf-8"))

    @property
    def calls(self) -> list[str]:
        """One line for each call of `count` and `nap`: its idempotency key and arguments."""
        return calls_in(self.folder)

    def tell(self, name: str, text: str) -> None:
        """Change what it does; see the script."""
        (self.folder / name).write_text(text, encoding="utf-8")

    def forget(self) -> None:
        """Drop what it was told and what it was called for; its address stays."""
        for file in self.folder.iterdir():
            if file.name != "port":
                file.unlink()

    async def start(self) -> None:
        """Start the process and wait until it listens."""
        words = ("-m", "tests.external.scripted_mcp_server", str(self.folder))
        self.process = await asyncio.create_subprocess_exec(sys.executable, *words, cwd=_ROOT)
        await eventually(self._answers, timeout=60, describe="the scripted server answers", retry_on=(OSError,))

    async def _answers(self) -> bool:
        _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.close()
        return True

    async def kill(self) -> None:
        """End the process with SIGKILL."""
        if self.process is not None:
            self.process.kill()
            await self.process.wait()
            self.process = None


@asynccontextmanager
async def scripted_server(folder: Path) -> AsyncGenerator[ScriptedServer]:
    """The server over HTTP, running; its files lie in `folder`."""
    server = ScriptedServer(folder)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()


def calls_in(folder: Path) -> list[str]:
    """The calls that a scripted server in `folder` has had."""
    file = folder / "calls"
    return file.read_text("utf-8").splitlines() if file.exists() else []


def stdio_words(folder: Path) -> tuple[Path, tuple[str, ...]]:
    """The program and arguments that run the scripted server over stdio."""
    return Path(sys.executable), (str(_STDIO_SERVER), str(folder))
