"""How a stdio server is shut in: by bubblewrap, else by namespaces of our own, else not at all, said loudly."""

import asyncio
import base64
import json
import os
import shutil
import sys
import zlib
from asyncio.subprocess import DEVNULL
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cache
from pathlib import Path

import structlog

from kgents_shared.isolation import kernel, seccomp
from tool_registry_service.errors import NeverSent
from tool_registry_service.mcp_client import stdio_guard
from tool_registry_service.mcp_client.visible_files import Sight, sight_of
from tool_registry_service.settings import StdioCommand

_log = structlog.get_logger("kgents.tools.sandbox")
_PROBE_S = 10.0
_MEGABYTE = 1024 * 1024
_MAX_OPEN_FILES = 4096
_RESERVED_MB = 1024
_NOT_TIED: dict[str, object] = {"parent": None, "groups": [], "isolate": None}
_NOT_HELD: dict[str, object] = {"isolate": None, "port": 0, "limits": {}, "filter": ""}
_PYTHON = str(Path(sys.executable).resolve())
_GUARDS_OWN = (Path(_PYTHON), Path(sys.base_prefix), Path(stdio_guard.__file__))
PROXY_PORT = 3128
"""Where a server with `network = "proxy"` finds its way out, on the loopback of a network of its own."""
_PROXY_URL = f"http://127.0.0.1:{PROXY_PORT}"
_PROXY_ENVIRONMENT = {
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), _PROXY_URL),
    "NODE_USE_ENV_PROXY": "1",
}


class Protection(StrEnum):
    """What keeps a stdio server in.

    `bubblewrap` and `namespaces` (of our own): of files what it needs and what its entry names (`visible_files`),
    read-only but for `writable` ones; no devices, own processes, no capabilities, and an empty network unless its
    entry says otherwise.
    `none`: files and network are the platform user's.

    Whichever it is, the server dies with the platform, has a bare environment and resource limits, and can make no
    Unix socket and none of the system calls that the filter refuses.
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
                self._found = await self.try_out()
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

    async def argv(self, command: StdioCommand, args: Sequence[str], *, groups: Sequence[Path] = ()) -> list[str]:
        """The command line that runs `command` shut in, in these control groups.

        Raises:
            NeverSent: the command lies in a folder that is hidden from it, or its network can't be cut off here.
        """
        path = command.command
        if any(path.resolve().is_relative_to(hidden) for hidden in self._hidden):
            raise NeverSent("The server's command lies in a folder that stdio servers may not see.")
        for folder in (*command.writable, *command.readable):
            if not folder.exists():
                raise NeverSent(f"{folder}, which the server's entry names, does not exist.")
        protection = await self.protection()
        if protection is Protection.NONE and command.network == "proxy":
            raise NeverSent(
                'This machine can\'t cut a server off from the network, which network = "proxy" needs: install '
                "bubblewrap, or allow unprivileged user namespaces."
            )
        return self._wrapped(protection, [str(path), *command.args, *args], command, groups)

    def environment(self, command: StdioCommand) -> dict[str, str]:
        """All that the process gets: nothing of the platform's own environment."""
        bare = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/dev/shm", "TMPDIR": "/dev/shm", "LANG": "C.UTF-8"}  # noqa: S108
        proxied = _PROXY_ENVIRONMENT if command.network == "proxy" else {}
        return bare | {"TZ": os.environ.get("TZ", "UTC")} | proxied | command.environment

    def _wrapped(
        self, protection: Protection, argv: list[str], command: StdioCommand, groups: Sequence[Path] = ()
    ) -> list[str]:
        tied = {"parent": os.getpid(), "groups": [str(folder) for folder in groups]}
        held = {
            "port": PROXY_PORT if command.network == "proxy" else 0,
            "limits": _limits(command, protection),
            "filter": _filter(),
        }
        if protection is Protection.BUBBLEWRAP:
            sight = sight_of(command, also=_GUARDS_OWN)
            within = _guarded(_NOT_TIED | held, argv, python=_PYTHON)
            return _guarded(tied | _NOT_HELD, [*self._bubblewrap(command, sight), "--", *within])
        isolate = None
        if protection is Protection.NAMESPACES:
            sight = sight_of(command)
            isolate = {
                "network": command.network == "open",
                "shown": sight.shown,
                "writable": sight.writable,
                "links": sight.links,
                "hidden": [str(path) for path in self._hidden],
                "scratch_mb": _scratch_mb(command),
            }
        return _guarded(tied | held | {"isolate": isolate}, argv)

    def _bubblewrap(self, command: StdioCommand, sight: Sight) -> list[str]:
        words = [shutil.which("bwrap") or "bwrap", "--unshare-all"]
        words += ["--share-net"] if command.network == "open" else []
        words += ["--die-with-parent", "--cap-drop", "ALL"]
        for place, link in sight.links:
            words += ["--symlink", link, place]
        for place, file in sight.shown:
            words += ["--ro-bind", file, place]
        words += ["--dev", "/dev", "--size", str(_scratch_mb(command) * _MEGABYTE), "--tmpfs", "/dev/shm"]  # noqa: S108
        # Where the platform is root, the server would be the owner of the kernel's settings there.
        words += ["--proc", "/proc", "--remount-ro", "/proc"]
        for place, file in sight.writable:
            words += ["--bind", file, place]
        for path in self._hidden:
            if path.is_dir():
                words += ["--tmpfs", str(path)]
            elif path.exists():
                words += ["--ro-bind", "/dev/null", str(path)]
        return [*words, "--remount-ro", "/"]

    async def try_out(self) -> Protection:
        """Start something harmless with each protection, and say which one holds; `protection` asks this once."""
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


def _guarded(options: Mapping[str, object], argv: Sequence[str], *, python: str = sys.executable) -> list[str]:
    return [python, "-I", "-S", stdio_guard.__file__, json.dumps(options), *argv]


def _limits(command: StdioCommand, protection: Protection) -> dict[str, int]:
    """Resource limits of each process; the kernel counts processes by user, so only in a user namespace of its own.

    It counts what a process reserves as well, which is half a gigabyte for Node.js before it does anything.
    """
    most = (command.memory_mb + _RESERVED_MB) * _MEGABYTE
    limits = {"RLIMIT_DATA": most, "RLIMIT_NOFILE": _MAX_OPEN_FILES, "RLIMIT_CORE": 0}
    return limits if protection is Protection.NONE else limits | {"RLIMIT_NPROC": command.processes}


def _scratch_mb(command: StdioCommand) -> int:
    return max(16, command.memory_mb // 4)


@cache
def _filter() -> str:
    """The system call filter for the guard; nothing where there is none for this machine."""
    if sys.platform != "linux":
        return ""
    try:
        code = seccomp.encode(seccomp.program(kernel.machine(), inet=True, unix=False, programs=True))
    except OSError:
        return ""
    return base64.b64encode(zlib.compress(code)).decode()


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
