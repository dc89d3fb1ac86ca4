import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import httpx
import psutil
import pytest

from kgents_shared.http.service import installed_services
from kgents_shared.testing.plain_http import PLAIN
from kgents_shared.testing.polling import eventually
from platform_host.embedded.identity import ProcessIdentity
from platform_host.embedded.nats import EmbeddedNats
from platform_host.embedded.postgres import EmbeddedPostgres

UP = [sys.executable, "-m", "platform_host", "up"]
SERVICES = {"auth", "management", "tools", "deployment", "runtime", "nl", "governance"}
AWAY = (httpx.TransportError, FileNotFoundError, json.JSONDecodeError)


@dataclass
class RunningHost:
    """A host in a process of its own, below a home of its own."""

    home: Path
    process: asyncio.subprocess.Process
    client: httpx.AsyncClient

    @property
    def record(self) -> dict[str, Any]:
        """What run/host.json says."""
        return json.loads((self.home / "run" / "host.json").read_text())

    def identities(self, *roles: str) -> list[ProcessIdentity]:
        """The processes that run/host.json lists, of some roles or of all."""
        rows = self.record["processes"]
        return [ProcessIdentity(row["pid"], row["started"]) for row in rows if not roles or row["role"] in roles]

    async def health(self) -> httpx.Response:
        """GET /health at the address that the record names."""
        return await self.client.get(f"{self.record['url']}/health")

    async def healthy(self) -> bool:
        """Whether every part is well."""
        return (await self.health()).status_code == 200


def new_home(folder: Path) -> BinaryIO:
    """The file in a home, made with it, that takes a host's output."""
    folder.mkdir(exist_ok=True)
    return (folder / "output.log").open("ab")


async def start_host(home: Path, client: httpx.AsyncClient, variables: Mapping[str, str]) -> RunningHost:
    """Starts a host on a free port and returns once all its parts are well."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("KGENTS_", "DATABASE_"))}
    environment |= {"KGENTS_HOME": str(home), "KGENTS_PORT": "0", **variables}
    with new_home(home) as output:
        process = await asyncio.create_subprocess_exec(*UP, env=environment, stdout=output, stderr=output)
    host = RunningHost(home, process, client)

    async def ready() -> bool:
        if process.returncode is not None:
            raise RuntimeError((home / "output.log").read_text())
        return host.record["pid"] == process.pid and await host.healthy()

    await eventually(ready, timeout=60, retry_on=AWAY)
    return host


@asynccontextmanager
async def running_host(home: Path, **variables: str) -> AsyncGenerator[RunningHost]:
    async with httpx.AsyncClient(timeout=60, verify=PLAIN) as client:
        host = await start_host(home, client, variables)
        try:
            yield host
        finally:
            if host.process.returncode is None:
                host.process.terminate()
                await asyncio.wait_for(host.process.wait(), 60)


@pytest.fixture(scope="module")
async def host(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningHost]:
    async with running_host(tmp_path_factory.mktemp("host") / "home") as running:
        yield running


async def login(host: RunningHost) -> dict[str, str]:
    """The headers of this machine's first administrator."""
    admin = json.loads((host.home / "secrets" / "admin.json").read_text())
    answer = await host.client.post(f"{host.record['url']}/auth/login", json=admin)
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def test_all_five_services_are_installed_as_entry_points() -> None:
    assert set(installed_services()) == SERVICES


async def test_every_part_is_well_after_the_first_boot(host: RunningHost) -> None:
    document = (await host.health()).json()
    assert document["status"] == "ok"
    assert set(document["parts"]) == SERVICES | {"postgres", "nats"}
    assert {part["status"] for part in document["parts"].values()} == {"ok"}


async def test_connections_are_not_bounded_by_the_usual_1024_open_files(host: RunningHost) -> None:
    soft, hard = psutil.Process(int(host.record["pid"])).rlimit(psutil.RLIMIT_NOFILE)
    assert soft >= min(hard, 65_536)


async def test_the_first_administrator_works_at_every_service(host: RunningHost) -> None:
    url = host.record["url"]
    assert (await host.client.get(f"{url}/agents")).status_code == 401
    headers = await login(host)
    for path in ("/agents", "/api/v1/mcp-servers", "/api/v1/users/me"):
        answer = await host.client.get(url + path, headers=headers)
        assert answer.status_code == 200, (path, answer.text)


async def test_internal_is_closed_in_public_and_asks_for_a_services_token_in_private(host: RunningHost) -> None:
    public, private = host.record["url"], host.record["private_url"]
    headers = await login(host)
    path = "/internal/agents/desired"
    assert (await host.client.get(public + path, headers=headers)).status_code == 404
    assert (await host.client.get(f"{public}/management{path}", headers=headers)).status_code == 404
    assert (await host.client.get(f"{private}/management{path}")).status_code == 401
    assert (await host.client.get(f"{private}/management{path}", headers=headers)).status_code == 404


async def test_the_private_listener_and_the_servers_are_on_the_loopback_address_only(host: RunningHost) -> None:
    for identity in host.identities("host", "postgres", "nats"):
        for connection in psutil.Process(identity.pid).net_connections("inet"):
            if connection.status == psutil.CONN_LISTEN:
                assert connection.laddr.ip == "127.0.0.1"


async def test_one_document_describes_every_service(host: RunningHost) -> None:
    url = host.record["url"]
    document = (await host.client.get(f"{url}/openapi.json")).json()
    assert {tag["name"] for tag in document["tags"]} == SERVICES
    assert not [path for path in document["paths"] if "internal" in path]
    assert "/api/v1/agents/{agent}/message" in document["paths"]
    assert (await host.client.get(f"{url}/docs")).status_code == 200


async def test_the_record_and_the_titles_name_every_process(host: RunningHost) -> None:
    rows = {row["role"]: row for row in host.record["processes"]}
    assert {"host", "postgres", "nats"} <= set(rows)
    assert rows["host"]["pid"] == host.process.pid
    assert psutil.Process(host.process.pid).cmdline()[0].strip() == "kgents: host"
    assert all(identity.alive() for identity in host.identities())


async def test_no_secret_is_logged_or_listed_in_a_command_line(host: RunningHost) -> None:
    written = "".join(path.read_text() for path in (host.home / "logs").glob("*.log"))
    lines = [" ".join(child.cmdline()) for child in psutil.Process(host.process.pid).children(recursive=True)]
    secrets = [path.read_text().strip() for path in host.home.rglob("*.secret")]
    secrets.append(json.loads((host.home / "secrets" / "admin.json").read_text())["password"])
    assert len(secrets) > len(SERVICES)
    for secret in secrets:
        assert secret not in written
        assert not [line for line in lines if secret in line]


async def test_a_second_host_of_the_home_is_refused_and_the_first_goes_on(host: RunningHost) -> None:
    environment = {**os.environ, "KGENTS_HOME": str(host.home), "KGENTS_PORT": "0"}
    second = await asyncio.create_subprocess_exec(*UP, env=environment, stderr=subprocess.PIPE)
    _, errors = await second.communicate()
    assert second.returncode == 1
    assert f"is already running for {host.home} (process {host.process.pid})" in errors.decode()
    assert await host.healthy()


@pytest.mark.parametrize("role", ["postgres", "nats"])
async def test_a_killed_server_is_told_of_comes_back_and_heals_every_service(host: RunningHost, role: str) -> None:
    (victim,) = host.identities(role)
    os.kill(victim.pid, signal.SIGKILL)
    await eventually(lambda: victim.pid not in [row.pid for row in host.identities(role)])
    await eventually(host.healthy, retry_on=AWAY)
    headers = await login(host)
    answer = await host.client.get(f"{host.record['url']}/agents", headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
async def test_a_signal_stops_everything_in_order_and_leaves_no_process(tmp_path: Path, number: signal.Signals) -> None:
    async with running_host(tmp_path / "home") as host:
        identities = host.identities()
        assert len(identities) >= 3
        host.process.send_signal(number)
        assert await asyncio.wait_for(host.process.wait(), 60) == 0
        assert not [identity for identity in identities if identity.alive()]
        assert not (host.home / "run" / "host.pid").exists()
        assert not (host.home / "run" / "host.json").exists()
    events = [json.loads(line) for line in (host.home / "logs" / "server.log").read_text().splitlines()]
    told = {event["event"]: event["timestamp"] for event in events if str(event["event"]).startswith("host_")}
    assert list(told) == ["host_starting", "host_ready", "host_stopped"]
    assert sorted(told.values()) == list(told.values())


async def test_a_stop_in_the_middle_of_the_first_boot_leaves_no_process(tmp_path: Path) -> None:
    home = tmp_path / "home"
    environment = {**os.environ, "KGENTS_HOME": str(home), "KGENTS_PORT": "0"}
    process = await asyncio.create_subprocess_exec(*UP, env=environment, stderr=subprocess.DEVNULL)
    await eventually((home / "postgres" / "init" / "data").exists, timeout=60)
    process.terminate()
    assert await asyncio.wait_for(process.wait(), 60) == 0
    assert not [found for found in psutil.process_iter() if str(home) in " ".join(command_line(found))]
    async with running_host(home) as host:  # and what was cut short is begun again
        assert await host.healthy()


def command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


async def test_a_killed_host_leaves_nothing_running_and_starts_again_with_all_it_had(tmp_path: Path) -> None:
    async with running_host(tmp_path / "home") as first:
        headers = await login(first)
        agent = {"name": "kept", "system_prompt": "Say hello."}
        made = await first.client.post(f"{first.record['url']}/agents", json=agent, headers=headers)
        assert made.status_code == 201, made.text
        identities = first.identities()
        first.process.kill()
        await first.process.wait()
    async with running_host(tmp_path / "home") as second:
        assert not [identity for identity in identities if identity.alive()]
        headers = await login(second)
        found = await second.client.get(f"{second.record['url']}/agents/kept", headers=headers)
        assert found.status_code == 200, found.text
        assert found.json()["id"] == made.json()["id"]


async def test_servers_that_the_environment_names_are_used_instead_of_embedded_ones(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path / "pg") as database, EmbeddedNats(tmp_path / "nats") as bus:
        variables = {"DATABASE_URL": database.url, "NATS_URL": bus.url, "NATS_TOKEN": bus.token}
        async with running_host(tmp_path / "home", **variables) as host:
            assert not host.identities("postgres", "nats")
            assert set((await host.health()).json()["parts"]) == SERVICES
            headers = await login(host)
            answer = await host.client.get(f"{host.record['url']}/agents", headers=headers)
            assert answer.json() == {"items": [], "next_cursor": None}
        assert not (tmp_path / "home" / "postgres").exists()
        assert database.state == bus.state == "ready"
