import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import nats
import psutil
import psycopg
import pytest

from platform_host.embedded import ports
from platform_host.embedded.identity import ProcessIdentity, end_process
from platform_host.embedded.nats import EmbeddedNats
from platform_host.embedded.postgres import EmbeddedPostgres
from platform_host.embedded.supervisor import Command, EmbeddedStartError, SupervisedServer


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - other processes set no event of ours
            await asyncio.sleep(0.01)


async def until_restarted(server: SupervisedServer, restarts: int) -> None:
    await until(lambda: server.restarts >= restarts and server.state == "ready")


async def scalar(url: str, query: str) -> object:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        row = await (await connection.execute(query.encode())).fetchone()
    return None if row is None else row[0]


@pytest.fixture(scope="module")
async def postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedPostgres]:
    async with EmbeddedPostgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(scope="module")
async def nats_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedNats]:
    async with EmbeddedNats(tmp_path_factory.mktemp("nats")) as server:
        yield server


async def test_postgresql_18_answers_with_durable_settings_and_pgvector(postgres: EmbeddedPostgres) -> None:
    assert str(await scalar(postgres.url, "SHOW server_version")).startswith("18.")
    for setting in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
        assert await scalar(postgres.url, f"SHOW {setting}") == "on"
    names = await scalar(postgres.url, "SELECT array_agg(name) FROM pg_available_extensions")
    assert isinstance(names, list)
    assert "vector" in names


async def test_postgresql_refuses_a_wrong_password_and_none(postgres: EmbeddedPostgres) -> None:
    address = f"127.0.0.1:{postgres.port}/postgres"
    for credentials in ("postgres", "postgres:wrong"):
        with pytest.raises(psycopg.OperationalError, match="password"):
            await psycopg.AsyncConnection.connect(f"postgresql://{credentials}@{address}")


def test_postgresql_does_not_run_with_root_privileges(postgres: EmbeddedPostgres) -> None:
    status = Path(f"/proc/{postgres.pid}/status").read_text()
    assert "CapEff:\t0000000000000000" in status


async def test_secrets_and_folders_are_their_owners_alone(
    postgres: EmbeddedPostgres, nats_server: EmbeddedNats
) -> None:
    for folder in (postgres.folder, nats_server.folder):
        assert folder.stat().st_mode & 0o777 == 0o700
    for secret in ("superuser.secret", "process.json"):
        assert (postgres.folder / secret).stat().st_mode & 0o777 == 0o600
    for secret in ("token.secret", "nats.conf"):
        assert (nats_server.folder / secret).stat().st_mode & 0o777 == 0o600


async def test_a_killed_postgresql_comes_back_on_its_port_with_its_data(postgres: EmbeddedPostgres) -> None:
    async with await psycopg.AsyncConnection.connect(postgres.url) as connection:
        await connection.execute("CREATE TABLE kept (n int)")
        await connection.execute("INSERT INTO kept VALUES (42)")
    port, pid = postgres.port, postgres.pid
    assert pid is not None
    busy = await psycopg.AsyncConnection.connect(postgres.url)
    query = asyncio.create_task(busy.execute("SELECT pg_sleep(60)"))
    await asyncio.sleep(0)
    killed = asyncio.create_task(postgres.wait_exit())
    await asyncio.sleep(0)
    restarts = postgres.restarts
    os.kill(pid, signal.SIGKILL)
    await until_restarted(postgres, restarts + 1)
    assert await killed == -signal.SIGKILL
    assert (postgres.port, postgres.pid != pid) == (port, True)
    assert await scalar(postgres.url, "SELECT n FROM kept") == 42
    with pytest.raises(psycopg.OperationalError):
        await query
    await busy.close()


async def test_a_killed_nats_keeps_every_acknowledged_message(nats_server: EmbeddedNats) -> None:
    client = await nats.connect(nats_server.url, token=nats_server.token)
    stream = client.jetstream()
    await stream.add_stream(name="KEPT", subjects=["kept.>"])
    for number in range(20):
        await stream.publish("kept.x", str(number).encode())
    await client.close()
    pid, port, restarts = nats_server.pid, nats_server.port, nats_server.restarts
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await until_restarted(nats_server, restarts + 1)
    assert nats_server.port == port
    client = await nats.connect(nats_server.url, token=nats_server.token)
    assert (await client.jetstream().stream_info("KEPT")).state.messages == 20
    await client.close()


async def test_nats_refuses_a_client_without_the_token(nats_server: EmbeddedNats) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", nats_server.port)
    assert (await reader.readline()).startswith(b"INFO ")
    writer.write(b"CONNECT {}\r\nPING\r\n")
    assert b"Authorization Violation" in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_data_password_and_port_stay_over_a_stop(tmp_path: Path) -> None:
    first = EmbeddedPostgres(tmp_path / "pg")
    await first.start()
    url = first.url
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
    await first.stop()
    await first.stop()
    assert first.pid is None
    async with EmbeddedPostgres(tmp_path / "pg") as second:
        assert second.url == url
        assert await scalar(url, "SELECT n FROM kept") == 7


async def test_another_port_is_taken_where_the_kept_one_is_in_use(tmp_path: Path) -> None:
    async with EmbeddedNats(tmp_path / "nats") as server:
        port = server.port
    with socket.create_server(("127.0.0.1", port)):
        async with EmbeddedNats(tmp_path / "nats") as server:
            assert server.port != port


HOST = """
    import asyncio, os, signal, sys
    from pathlib import Path
    from platform_host.embedded.nats import EmbeddedNats
    from platform_host.embedded.postgres import EmbeddedPostgres

    async def main():
        servers = EmbeddedPostgres(Path(sys.argv[1], "pg")), EmbeddedNats(Path(sys.argv[1], "nats"))
        await asyncio.gather(*(server.start() for server in servers))
        print(*(server.pid for server in servers), flush=True)
        await asyncio.sleep(3600)

    asyncio.run(main())
"""


def start_host(folder: Path) -> tuple[subprocess.Popen[str], list[ProcessIdentity]]:
    """A host of the two servers in a process of its own, and the servers' identities."""
    host = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOST), str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert host.stdout is not None
    with host.stdout as output:
        pids = [int(pid) for pid in output.readline().split()]
    found = [identity for pid in pids if (identity := ProcessIdentity.of(pid))]
    assert len(found) == 2
    return host, found


async def test_the_servers_die_with_a_host_that_is_killed(tmp_path: Path) -> None:
    host, servers = await asyncio.to_thread(start_host, tmp_path)
    host.kill()
    host.wait()
    await until(lambda: not any(server.alive() for server in servers))


async def test_the_next_start_ends_what_a_killed_host_left_behind(tmp_path: Path) -> None:
    host, servers = await asyncio.to_thread(start_host, tmp_path)
    for server in servers:
        os.kill(server.pid, signal.SIGSTOP)  # so that the parent-death signal can't end them
    host.kill()
    host.wait()
    nats_server, postgres = EmbeddedNats(tmp_path / "nats"), EmbeddedPostgres(tmp_path / "pg")
    nats_server.stop_patience = postgres.stop_patience = 0.2
    await asyncio.gather(nats_server.start(), postgres.start())
    assert not any(server.alive() for server in servers)
    assert await scalar(postgres.url, "SELECT 1") == 1
    await asyncio.gather(nats_server.stop(), postgres.stop())


class ReluctantNats(EmbeddedNats):
    """A server whose program fails `refusals` times before it runs."""

    refusals = 0

    def _command(self) -> Command:
        if self.refusals > 0:
            self.refusals -= 1
            return Command(["/bin/false"], signal.SIGTERM)
        return super()._command()


async def test_a_server_that_does_not_come_back_at_once_is_tried_again(tmp_path: Path) -> None:
    async with ReluctantNats(tmp_path / "nats") as server:
        server.refusals = 2
        pid = server.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await until_restarted(server, 3)
        assert server.last_error is not None
        assert "nats ended while starting" in server.last_error


async def test_a_server_that_ignores_its_signal_is_killed(tmp_path: Path) -> None:
    server = EmbeddedNats(tmp_path / "nats")
    await server.start()
    pid = server.pid
    assert pid is not None
    identity = ProcessIdentity.of(pid)
    assert identity is not None
    server.stop_patience = 0.2
    os.kill(pid, signal.SIGSTOP)
    await server.stop()
    assert not identity.alive()


async def test_a_pid_that_means_another_process_now_is_left_alone(tmp_path: Path) -> None:
    bystander = await asyncio.create_subprocess_exec("sleep", "60")
    folder = tmp_path / "nats"
    folder.mkdir()
    (folder / "process.json").write_text(f'{{"port": 0, "pid": {bystander.pid}, "started": "long ago"}}')
    async with EmbeddedNats(folder) as server:
        assert server.state == "ready"
    assert bystander.returncode is None
    identity = ProcessIdentity.of(bystander.pid)
    assert identity is not None
    assert await end_process(identity, signal.SIGTERM, 5.0)
    await bystander.wait()
    assert not await end_process(identity, signal.SIGTERM, 5.0)


# Another machine for the server: root of a container, root where no user namespace can be made, an ordinary user.
CONTAINER = """
    import asyncio, ctypes, os, sys
    from pathlib import Path

    ready, go = os.pipe(), os.pipe()
    inner = os.fork()
    if inner:
        os.read(ready[0], 1)
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{inner}/{name}").write_text("65534 0 1" if sys.argv[2] == "ordinary" else "0 0 70000")
        os.write(go[1], b".")
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1]))
    assert ctypes.CDLL(None).unshare(0x10000000) == 0
    os.write(ready[1], b".")
    os.read(go[0], 1)
    if sys.argv[2] == "confined":
        Path("/proc/sys/user/max_user_namespaces").write_text("0")

    from platform_host.embedded.postgres import EmbeddedPostgres

    async def main():
        async with EmbeddedPostgres(Path(sys.argv[1])) as server:
            print(Path(f"/proc/{server.pid}/status").read_text())

    asyncio.run(main())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can leave root")
@pytest.mark.parametrize(("machine", "as_owner"), [("container", True), ("confined", False), ("ordinary", True)])
async def test_it_runs_below_a_folder_closed_to_all_others(tmp_path: Path, machine: str, as_owner: bool) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    outer = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", textwrap.dedent(CONTAINER), str(closed / "pg"), machine),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    output, errors = await outer.communicate()
    assert outer.returncode == 0, errors.decode()
    status = dict(line.split(":\t", 1) for line in output.decode().splitlines() if ":\t" in line)
    # Seen from its own surroundings: the owner of everything there, or else a uid of its own.
    owner = "65534" if machine == "ordinary" else "0"
    assert (set(status["Uid"].split()) == {owner}) is as_owner
    assert int(status["CapEff"], 16) & ~0b110 == 0  # at most the right to pass through closed folders


async def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "pg")
    (tmp_path / "pg" / "data").mkdir(parents=True)
    with pytest.raises(EmbeddedStartError, match="postgres ended while starting"):
        await server.start()
    assert (server.state, server.pid) == ("stopped", None)


async def test_what_an_earlier_start_logged_is_no_reason_for_this_one(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "pg")
    (tmp_path / "pg" / "data").mkdir(parents=True)
    server.log_path.write_text("FATAL: could not write: No space left on device\n", "utf-8")
    with pytest.raises(EmbeddedStartError, match="postgres ended while starting"):
        await server.start()


async def test_the_servers_run_below_a_folder_of_any_name(tmp_path: Path) -> None:
    folder = tmp_path / 'Grüße 日本 "quoted" back\\slash'
    async with EmbeddedNats(folder / "nats") as server, EmbeddedPostgres(folder / "postgres") as postgres:
        client = await nats.connect(server.url, token=server.token)
        await client.jetstream().add_stream(name="KEPT", subjects=["kept.>"])
        await client.close()
        assert await scalar(postgres.url, "SELECT 1") == 1


async def test_a_first_boot_that_was_cut_short_is_begun_again(tmp_path: Path) -> None:
    half = tmp_path / "pg" / "init" / "data"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18")
    async with EmbeddedPostgres(tmp_path / "pg") as server:
        assert await scalar(server.url, "SELECT 1") == 1
    assert not (tmp_path / "pg" / "init").exists()


def test_a_kept_port_is_chosen_again_only_while_it_is_free() -> None:
    port = ports.choose_port()
    assert ports.choose_port(port) == port
    with socket.create_server((ports.LOOPBACK, port)):
        assert ports.choose_port(port) != port


def test_a_process_that_ended_is_not_alive() -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert ProcessIdentity.of(child.pid) is None  # a zombie still, its pid not free yet
    assert psutil.pid_exists(child.pid)
    child.wait()
