"""The gateway routes as the embedded dispatcher does, from the same table."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import shutil
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from gateway.generate import PASSED_HEADERS, TARGET, render
from kgents_shared.contracts.path_table import load_path_table
from kgents_shared.testing.plain_http import PLAIN
from kgents_shared.testing.polling import eventually

TABLE = load_path_table()
REWRITE = re.compile(r"^\s+rewrite (\S+) (\S+);$", re.MULTILINE)
LOCATION = re.compile(
    r'^\s+location ~ "(\S+)" \{ (?:client_max_body_size \d+; )?proxy_pass http://(\w+); \}$', re.MULTILINE
)
SERVER = re.compile(r"server (\w+):8000;")
IMAGES = "gateway/Dockerfile starts it from any nginx"

WORDS = (
    "agents",
    "tools",
    "auth",
    "my-agent",
    "message",
    "conversations",
    "deployments",
    "logs",
    "restart",
    "runs",
    "x",
)
PATHS = sorted(
    {
        f"{head}/{'/'.join(words)}"
        for head in ("", "/api", "/api/v1")
        for count in (1, 2, 3)
        for words in itertools.product(WORDS, repeat=count)
    }
    | {route.path.replace("{agent}", "a~b") + tail for route in TABLE.routes for tail in ("", "/", "/more", "x")}
    | {"/", "/api", "/api/", "/api/v1", "/api/v1/", "/internal", "/internal/tools/invoke", "/api/v1/internal/x"}
    | {"/multi_agent/multi_agent/x", "/api/multi_agent/multi_agent", "/agentsx", "/.well-known/jwks.jsonx"}
)


def test_the_committed_configuration_is_current() -> None:
    assert TARGET.read_text("utf-8") == render(TABLE), "run python -P gateway/generate.py"


def routed(config: str, path: str) -> tuple[str, str] | None:
    """What nginx does with a path: the rewrites in order, then the first location that matches."""
    for pattern, target in REWRITE.findall(config):
        match = re.match(pattern, path)
        if match is not None:
            path = target.replace("$1", match.group(1) or "")
    for pattern, service in LOCATION.findall(config):
        if re.match(pattern, path):
            return service, path
    return None


def test_every_path_goes_where_the_dispatcher_sends_it() -> None:
    config = TARGET.read_text("utf-8")
    assert len(LOCATION.findall(config)) == len(TABLE.routes)
    assert len(PATHS) > 3000
    for path in PATHS:
        target = TABLE.resolve(path)
        wanted = None if target is None else (target.service, target.path)
        assert routed(config, path) == wanted, path


def test_no_header_that_only_servers_set_is_passed_on() -> None:
    config = TARGET.read_text("utf-8")
    assert "proxy_pass_request_headers off;" in config
    for prefix in TABLE.server_only_header_prefixes:
        assert not any(name.lower().startswith(prefix) for name in PASSED_HEADERS)
        assert prefix.rstrip("-") not in config.lower()


def test_whom_the_gateway_speaks_for_is_its_own_word_alone() -> None:
    config = TARGET.read_text("utf-8")
    named = {"Forwarded", "X-Real-IP", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "True-Client-IP"}
    assert not {name.lower() for name in named} & {name.lower() for name in PASSED_HEADERS}
    assert re.findall(r"proxy_set_header X-Forwarded-For (.*);", config) == ["$remote_addr"]
    assert "proxy_add_x_forwarded_for" not in config
    # A proxy_set_header below would drop all of those above it (ngx_http_proxy_module).
    assert not re.search(r"location [^{]*{[^}]*proxy_set_header", config)


def nginx() -> str:
    """The real one, where this machine has it."""
    found = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin") or shutil.which("nginx")
    if found is None:
        pytest.skip(f"no nginx on this machine; {IMAGES}")
    return found


async def answering(name: str) -> asyncio.Server:
    """A service that says its name, and what it was asked."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        body = json.dumps({"service": name, "line": head[0], "headers": head[1:-2]}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


@asynccontextmanager
async def running_gateway(folder: Path, program: str, away: str = "") -> AsyncGenerator[httpx.AsyncClient]:
    """nginx with the committed configuration before stand-ins for the services; `away` names one that is down."""
    servers = {name: await answering(name) for name in TABLE.services}
    ports = {name: int(server.sockets[0].getsockname()[1]) for name, server in servers.items()}
    if away:
        servers[away].close()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    replace: Callable[[re.Match[str]], str] = lambda match: f"server 127.0.0.1:{ports[match[1]]};"  # noqa: E731
    text = SERVER.sub(replace, TARGET.read_text("utf-8"))
    text = text.replace("listen 8080;", f"listen 127.0.0.1:{port};").replace("/tmp/nginx", f"{folder}/nginx")  # noqa: S108
    config = folder / "nginx.conf"
    config.write_text(text, encoding="utf-8")
    process = await asyncio.create_subprocess_exec(program, "-p", str(folder), "-c", str(config), "-g", "daemon off;")
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, verify=PLAIN) as client:

            async def is_up() -> bool:
                return (await client.get("/health")).status_code == 200

            await eventually(is_up, describe="nginx answers", retry_on=(httpx.TransportError,))
            yield client
    finally:
        process.terminate()
        await process.wait()
        for server in servers.values():
            server.close()


async def test_nginx_itself_routes_like_the_dispatcher_and_drops_what_it_must(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, nginx()) as client:
        for path in PATHS[:: max(1, len(PATHS) // 200)]:
            answer = await client.get(f"{path}?q=1%202")
            target = TABLE.resolve(path)
            if target is None:
                assert answer.status_code == 404, path
                assert answer.headers["content-type"] == "application/problem+json"
                continue
            assert answer.json()["service"] == target.service, path
            assert answer.json()["line"] == f"GET {target.path}?q=1%202 HTTP/1.1"
        for path in (
            "/internal/tools/invoke",
            "/%69nternal/tools/invoke",
            "/api/v1/tools/../../../internal/tools/invoke",
        ):
            assert (await client.get(path)).status_code == 404
        sent = [("authorization", "Bearer x"), ("idempotency-key", "k"), ("x-forwarded-for", "192.0.2.1")]
        sent += [("x-kgents-owner", "me"), ("X-Metering-Cost", "0"), ("x-metering-cost", "1"), ("x_metering_cost", "2")]
        sent += [("forwarded", "for=192.0.2.1"), ("x-real-ip", "192.0.2.1"), ("x_forwarded_for", "192.0.2.1")]
        headers = (await client.post("/agents/a/message", headers=sent, json={"text": "hi"})).json()["headers"]
        names = {line.split(":")[0].lower() for line in headers}
        assert {"authorization", "idempotency-key", "content-type", "content-length"} <= names
        assert not any(name.replace("_", "-").startswith(TABLE.server_only_header_prefixes) for name in names)
        assert "192.0.2.1" not in " ".join(headers)
        assert "x-forwarded-for: 127.0.0.1" in [line.lower() for line in headers]
        too_large = await client.post("/agents", content=b"x" * 1_100_000)
        assert too_large.status_code == 413


async def asked_raw(client: httpx.AsyncClient, *lines: str, body: str = "") -> tuple[int, list[str]]:
    """The status, and the header lines that the service was asked with, of a request as it is written here."""
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    head = ["POST /api/v1/agents HTTP/1.1", "Host: kgents", "Connection: close", *lines, "", body]
    writer.write("\r\n".join(head).encode("latin-1"))
    answer = (await asyncio.wait_for(reader.read(), 60)).decode()
    writer.close()
    status, told = int(answer.split()[1]), answer.partition("\r\n\r\n")[2]
    return status, json.loads(told[told.index("{") : told.rindex("}") + 1])["headers"] if status == 200 else []


async def test_no_way_of_writing_a_header_brings_it_past_nginx(tmp_path: Path) -> None:
    chunked = "1\r\nx\r\n0\r\nX-Kgents-Run: 1\r\nAuthorization: Bearer other\r\n\r\n"
    async with running_gateway(tmp_path, nginx()) as client:
        for lines, body in (
            (["X-Kgents-Run : 1", "Content-Length: 0"], ""),
            (["A: b", " X-Kgents-Run: 1", "Content-Length: 0"], ""),
            (["A: b\nX-Kgents-Run: 1", "Content-Length: 0"], ""),
            (["X_Kgents_Run: 1", "X.Kgents-Run: 1", "Content-Length: 0"], ""),
            (["X-Kgents-Run: 1", "X-Real-IP: 192.0.2.1", "Content-Length: 0"], ""),
            (["Transfer-Encoding: chunked"], chunked),
        ):
            status, headers = await asked_raw(client, "Authorization: Bearer x", *lines, body=body)
            assert status in {200, 400}, lines
            names = {line.partition(":")[0].lower().replace("_", "-").replace(".", "-") for line in headers}
            assert not any(name.startswith(TABLE.server_only_header_prefixes) for name in names), lines
            assert status == 400 or [line for line in headers if line.startswith("Authorization")] == [
                "Authorization: Bearer x"
            ]


async def test_what_a_caller_lists_as_the_connections_own_goes_on_all_the_same(tmp_path: Path) -> None:
    listed = "Connection: Authorization, X-Forwarded-For, X-Correlation-Id"
    async with running_gateway(tmp_path, nginx()) as client:
        lines = (listed, "Authorization: Bearer x", "X-Correlation-Id: abc", "Content-Length: 0")
        status, headers = await asked_raw(client, *lines)
    assert status == 200
    assert {"Authorization: Bearer x", "X-Correlation-Id: abc", "X-Forwarded-For: 127.0.0.1"} <= set(headers)
    assert not [line for line in headers if line.lower().startswith("connection: a")]


async def test_a_service_that_is_away_is_a_503_that_may_be_tried_again(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, nginx(), away="runtime") as client:
        answer = await client.post("/agents/a/message", json={"text": "hi"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.json()["code"] == "unavailable"
        assert answer.json()["correlation_id"]
