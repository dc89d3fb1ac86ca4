"""What `kgents doctor` looks at: each finding is observed on this machine, with the fix beside what is amiss."""

import asyncio
import http.client
import importlib
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from kgents_cli.faults import CliError
from kgents_cli.home import DEFAULT_PORT, Home
from kgents_cli.processes import find_server

_NEEDED_MB = 1024
_SANDBOX_PATIENCE_S = 30.0
_DOCKER_SOCKET = "/var/run/docker.sock"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. `fix` is None where nothing needs one."""

    level: Literal["ok", "warn", "fail"]
    name: str
    detail: str
    fix: str | None = None


def examine(home: Home) -> list[Finding]:
    """Every check, in the order of the report."""
    findings = [check_python(), check_home(home), check_disk(home), check_port(home), check_docker()]
    findings += [check_postgres(), check_nats(), check_provider(), check_langflow(home)]
    return [*findings, *check_protections(), check_stdio_servers()]


def check_python() -> Finding:
    """The interpreter. One older than 3.11 never gets here: ./kgents refuses it."""
    return Finding("ok", "python", f"{platform.python_version()} ({sys.executable})")


def check_home(home: Home) -> Finding:
    """Whether this user can write KGENTS_HOME, and its config.toml can be read."""
    existing = next(folder for folder in (home.path, *home.path.parents) if folder.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        fix = f"give this user the right to write {existing}, or set KGENTS_HOME to another folder"
        return Finding("fail", "home", f"{home.path} is not writable", fix)
    try:
        home.settings()
    except CliError as fault:
        return Finding("fail", "home", fault.message, fault.hint)
    return Finding("ok", "home", str(home.path) + ("" if home.path.exists() else " (made by the first start)"))


def check_disk(home: Home) -> Finding:
    """Room for the database and the logs."""
    existing = next(folder for folder in (home.path, *home.path.parents) if folder.exists())
    free_mb = shutil.disk_usage(existing).free // 2**20
    detail = f"{free_mb / 1024:.1f} GB free at {existing}"
    if free_mb < _NEEDED_MB // 8:
        return Finding("fail", "disk", detail, "make room: PostgreSQL can't start on a full disk")
    if free_mb < _NEEDED_MB:
        return Finding("warn", "disk", detail, f"make room: {_NEEDED_MB} MB or more")
    return Finding("ok", "disk", detail)


def check_port(home: Home) -> Finding:
    """Whether the server's address is free, or held by this home's own server."""
    server = find_server(home)
    if server is not None:
        return Finding("ok", "port", f"the server runs at {server.url} (process {server.pid})")
    try:
        settings = home.settings()
        port = int(os.environ.get("KGENTS_PORT") or settings.get("port", DEFAULT_PORT))
        bind = os.environ.get("KGENTS_BIND") or str(settings.get("bind", "127.0.0.1"))
        if not 0 <= port <= 65535:
            raise ValueError(port)
    except CliError as fault:
        return Finding("fail", "port", fault.message, fault.hint)
    except (TypeError, ValueError):
        return Finding("fail", "port", "KGENTS_PORT or config.toml names no port", "set it to a number from 0 to 65535")
    try:
        with socket.create_server((bind, port), reuse_port=False):
            return Finding("ok", "port", f"{bind}:{port} is free")
    except OSError as fault:
        fix = "stop what listens there, or set KGENTS_PORT (0 takes a free one)"
        return Finding("fail", "port", f"{bind}:{port}: {fault.strerror or fault}", fix)


class _UnixConnection(http.client.HTTPConnection):
    """HTTP to a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=3)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(3)
        self.sock.connect(self._path)


def check_docker(path: str | None = None) -> Finding:
    """Whether a Docker engine answers. Nothing of the default needs one."""
    named = os.environ.get("DOCKER_HOST", "")
    path = path or (named.removeprefix("unix://") if named.startswith("unix://") else _DOCKER_SOCKET)
    connection = _UnixConnection(path)
    try:
        connection.request("GET", "/_ping")
        answer = connection.getresponse()
        if answer.status == 200:
            return Finding("ok", "docker engine", f"answers at {path} (API {answer.getheader('Api-Version', '?')})")
        return Finding("warn", "docker engine", f"{path} answers with status {answer.status}")
    except (OSError, http.client.HTTPException):
        return Finding("ok", "docker engine", "none found; agents run as sandboxed processes and need none")
    finally:
        connection.close()


def check_postgres() -> Finding:
    """The PostgreSQL that the default starts, or the one that DATABASE_URL names."""
    if os.environ.get("DATABASE_URL"):
        return Finding("ok", "postgres", "DATABASE_URL names a server; the embedded one stays off")
    from platform_host.embedded.postgres import binaries

    return _version("postgres", lambda: binaries() / "postgres")


def check_nats() -> Finding:
    """The NATS server that the default starts, or the one that NATS_URL names."""
    if os.environ.get("NATS_URL"):
        return Finding("ok", "nats", "NATS_URL names a server; the embedded one stays off")
    from platform_host.embedded.nats import binary

    return _version("nats", binary)


def _version(name: str, program: Callable[[], Path]) -> Finding:
    from platform_host.embedded.supervisor import EmbeddedStartError

    fix = "install again: remove .venv and run ./kgents doctor"
    try:
        answer = subprocess.run([program(), "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (EmbeddedStartError, OSError, subprocess.TimeoutExpired) as fault:
        return Finding("fail", name, str(fault), fix)
    if answer.returncode != 0:
        return Finding("fail", name, (answer.stderr or answer.stdout).strip()[-200:], fix)
    return Finding("ok", name, answer.stdout.strip())


def check_provider() -> Finding:
    """Which model answers agents that name none."""
    from kgents_cli.client import is_address
    from kgents_cli.model_accounts import ADDRESSES, default_account

    for setting in ADDRESSES:
        if (named := os.environ.get(setting)) and not is_address(named):
            fix = "set it to one such as http://127.0.0.1:8000/v1, or unset it"
            return Finding("fail", "model", f"{setting} is no http address: {named}", fix)
    if (account := default_account(os.environ)) is not None:
        return Finding("ok", "model", f"default provider: {account}")
    fix = "set it, or another provider's, where the server is started"
    return Finding("warn", "model", "no OPENAI_API_KEY: the built-in echo answers", fix)


def check_langflow(home: Home) -> Finding:
    """What flows of Langflow run on. Nothing of the default needs it."""
    from kgents_cli.home import checkout_root
    from kgents_cli.langflow import LangflowEnvironment, langflow_folder
    from kgents_shared.langflow_environment import installed

    root, folder = checkout_root(), langflow_folder(home)
    if installed(folder) is None:
        return Finding("ok", "langflow", "not installed; flows are kept as drafts (kgents langflow install)")
    if root is not None and not LangflowEnvironment(root, folder).is_current:
        return Finding("warn", "langflow", f"another version is in {folder}", "kgents langflow install")
    return Finding("ok", "langflow", f"flows run on what is in {folder}")


def check_protections() -> list[Finding]:
    """Which walls stand around an agent here, as seen from inside a sandbox made for the purpose."""
    with tempfile.TemporaryDirectory(prefix="kgents-") as folder:
        try:
            walls = asyncio.run(_observe_protections(Path(folder)))
        except (OSError, TimeoutError, ImportError) as fault:
            fix = "agents can't be started here; run on Linux 5.13 or newer for all protections"
            return [Finding("fail", "sandbox", f"could not be tried: {fault}", fix)]
    findings = [Finding("ok", name, "on") for name, on, _ in walls if on]
    for name, on, detail in walls:
        if not on:
            fix = "this kernel or container withholds it; agents start without it, with a warning in the log"
            findings.append(Finding("warn", name, f"off{': ' + detail if detail else ''}", fix))
    return findings


def check_stdio_servers() -> Finding:
    """What shuts in MCP servers that the platform starts, as tried out; nothing is started that isn't allowed."""
    module: Any = importlib.import_module("tool_registry_service.mcp_client.sandbox")
    protection = str(asyncio.run(module.StdioSandbox().try_out()))
    if protection == "none":
        fix = 'install bubblewrap, or allow unprivileged user namespaces; those with network = "proxy" don\'t start'
        return Finding("warn", "stdio servers", "have the platform user's files and network", fix)
    return Finding("ok", "stdio servers", f"are shut in by {protection}")


async def _observe_protections(folder: Path) -> list[tuple[str, bool, str]]:
    """Asks the process launcher; imported by name, since the command line is no part of that service."""
    module: Any = importlib.import_module("agent_deployment_service.launchers.process.launcher")
    door = folder / "door"
    options = module.ProcessLauncherOptions(
        run_dir=folder / "run", logs_dir=folder / "logs", door=f"unix:{door}/door.sock", door_dir=door
    )
    launcher: Any = module.ProcessLauncher(options)
    await launcher.start()
    try:
        walls = await asyncio.wait_for(launcher.protections(), _SANDBOX_PATIENCE_S)
        return [(str(wall.name), bool(wall.on), str(wall.detail)) for wall in walls]
    finally:
        await launcher.close(0)
