"""How a stdio server is shut in: by bubblewrap, else by namespaces of our own, else not at all, said loudly."""

import asyncio
import json
import os
import shutil
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import structlog

from tool_registry_service.errors import NeverSent
from tool_registry_service.mcp_client import stdio_guard
from tool_registry_service.settings import StdioCommand

_log = structlog.get_logger("kgents.tools.sandbox")
_PROBE_S = 10.0


class Protection(StrEnum):
    """What keeps a stdio server in.

    `bubblewrap`: read-only files but for `writable` ones, hidden folders, no network unless allowed, own processes,
    no capabilities.
    `namespaces`: hidden folders, no network unless allowed, own processes; files keep the platform user's rights.
    `none`: it dies with the platform and has a bare environment, and that is all.
    """

    BUBBLEWRAP = "bubblewrap"
    NAMESPACES = "namespaces"
    NONE = "none"


class StdioSandbox:
    """Makes the argv of stdio servers. What the machine can do is tried once, at the first use."""

    def __init__(self, hidden: Sequence[Path] = (), *, at_most: Protection = Protection.BUBBLEWRAP) -> None:
        self._hidden = tuple(path.resolve() for path in hidden)
        self._at_most = at_most
        self._found: Protection | None = None
        self._lock = asyncio.Lock()

    async def protection(self) -> Protection:
        """What holds on this machine, as tried out."""
        async with self._lock:
            if self._found is None:
                self._found = await self._probe()
                if self._found is Protection.NONE:
                    _log.warning(
                        "stdio_servers_not_isolated",
                        meaning="MCP servers started from TOOLS_STDIO_ALLOWED can read what the platform's user can, "
                        "and reach the network",
                        mend="install bubblewrap, or allow unprivileged user namespaces",
                    )
                else:
                    _log.info("stdio_isolation", by=self._found.value)
            return self._found

    async def argv(self, command: StdioCommand, args: Sequence[str]) -> list[str]:
        """The command line that runs `command` shut in.

        Raises:
            NeverSent: the command lies in a folder that is hidden from it.
        """
        path = command.command
        if any(path.resolve().is_relative_to(hidden) for hidden in self._hidden):
            raise NeverSent("The server's command lies in a folder that stdio servers may not see.")
        return self._wrapped(await self.protection(), [str(path), *command.args, *args], command)

    def environment(self, command: StdioCommand) -> dict[str, str]:
        """All that the process gets: nothing of the platform's own environment."""
        bare = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/dev/shm", "TMPDIR": "/dev/shm", "LANG": "C.UTF-8"}  # noqa: S108
        return bare | {"TZ": os.environ.get("TZ", "UTC")} | command.environment

    def _wrapped(self, protection: Protection, argv: list[str], command: StdioCommand) -> list[str]:
        if protection is Protection.BUBBLEWRAP:
            words = [shutil.which("bwrap") or "bwrap", "--unshare-all", *(["--share-net"] if command.network else [])]
            words += ["--die-with-parent", "--cap-drop", "ALL", "--ro-bind", "/", "/", "--dev", "/dev"]
            words += ["--proc", "/proc"]
            for path in command.writable:
                words += ["--bind", str(path), str(path)]
            for path in self._hidden:
                if path.is_dir():
                    words += ["--tmpfs", str(path)]
                elif path.exists():
                    words += ["--ro-bind", "/dev/null", str(path)]
            return [*words, "--", *argv]
        isolate = protection is Protection.NAMESPACES
        hidden = [str(path) for path in self._hidden]
        options = {"parent": os.getpid(), "isolate": isolate, "network": command.network, "hidden": hidden}
        return [sys.executable, "-I", "-S", stdio_guard.__file__, json.dumps(options), *argv]

    async def _probe(self) -> Protection:
        true = StdioCommand(command=Path(shutil.which("true") or "/bin/true"))
        for protection in (Protection.BUBBLEWRAP, Protection.NAMESPACES):
            if protection is Protection.BUBBLEWRAP and (
                self._at_most is not Protection.BUBBLEWRAP or shutil.which("bwrap") is None
            ):
                continue
            if self._at_most is Protection.NONE:
                break
            if await _exit_code(self._wrapped(protection, [str(true.command)], true)) == 0:
                return protection
        return Protection.NONE


async def _exit_code(argv: Sequence[str]) -> int:
    try:
        process = await asyncio.create_subprocess_exec(*argv, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
    except OSError:
        return 1
    try:
        async with asyncio.timeout(_PROBE_S):
            return await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
        return 1
