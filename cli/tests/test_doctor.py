"""The doctor sees what is amiss on this machine, and says how to mend it."""

from __future__ import annotations

import http.server
import socket
import socketserver
import threading
from pathlib import Path

import pytest

from kgents_cli import examination
from kgents_cli.home import Home
from tool_registry_service.mcp_client.sandbox import Protection, StdioSandbox

from .conftest import Kgents


def test_every_finding_that_is_not_ok_names_a_fix(kgents: Kgents):
    findings = kgents("doctor", "--json").json
    names = [finding["name"] for finding in findings]
    assert names[:8] == ["python", "home", "disk", "port", "docker engine", "postgres", "nats", "model"]
    assert len(names) > 9, "the walls of the sandbox are missing"
    assert names[-1] == "stdio servers"
    for finding in findings:
        assert finding["level"] == "ok" or finding["fix"], finding


def test_the_report_for_people_has_a_line_for_each_finding(kgents: Kgents, monkeypatch: pytest.MonkeyPatch):
    found = [examination.Finding("ok", "python", "3.11"), examination.Finding("fail", "port", "taken", "free it")]

    def examine(home: Home) -> list[examination.Finding]:
        del home
        return found

    monkeypatch.setattr(examination, "examine", examine)
    ran = kgents("doctor")
    assert ran.code == 1
    assert "ok    python                 3.11" in ran.out
    assert "→ free it" in ran.out


def test_a_port_that_is_taken_fails(home: Home, monkeypatch: pytest.MonkeyPatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("KGENTS_PORT", str(taken.getsockname()[1]))
        finding = examination.check_port(home)
    assert (finding.level, finding.name) == ("fail", "port")
    assert "KGENTS_PORT" in (finding.fix or "")
    assert examination.check_port(home).level == "ok"


@pytest.mark.parametrize("port", ["http", "99999999"])
def test_a_port_that_is_none_fails(home: Home, monkeypatch: pytest.MonkeyPatch, port: str):
    monkeypatch.setenv("KGENTS_PORT", port)
    assert examination.check_port(home).level == "fail"


def test_a_home_below_a_file_fails(tmp_path: Path):
    (tmp_path / "file").touch()
    assert examination.check_home(Home(tmp_path / "file/home")).level == "fail"


def test_a_home_below_a_file_is_no_fault_of_the_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("KGENTS_PORT", "0")
    assert examination.check_port(Home(tmp_path / "file/home")).level == "ok"


def test_a_model_address_that_is_none_fails(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "nonsense")
    finding = examination.check_provider()
    assert (finding.level, finding.detail) == ("fail", "OPENAI_BASE_URL is no http address: nonsense")


def test_a_disk_that_is_nearly_full_is_seen(home: Home, monkeypatch: pytest.MonkeyPatch):
    class Usage:
        free = 500 * 2**20

    def usage(place: Path) -> type[Usage]:
        del place
        return Usage

    monkeypatch.setattr("shutil.disk_usage", usage)
    assert examination.check_disk(home).level == "warn"
    Usage.free = 2**20
    assert examination.check_disk(home).level == "fail"


def test_a_docker_engine_that_answers_is_named_with_its_version(tmp_path: Path):
    class Engine(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Api-Version", "1.51")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            del format, args

        def address_string(self) -> str:
            return "here"

    path = str(tmp_path / "docker.sock")
    with socketserver.UnixStreamServer(path, Engine) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        assert "API 1.51" in examination.check_docker(path).detail
        server.shutdown()
        thread.join()
    assert "none found" in examination.check_docker(str(tmp_path / "nothing.sock")).detail


def test_servers_that_settings_name_are_not_looked_for_here(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/db")
    monkeypatch.setenv("NATS_URL", "nats://elsewhere")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://model")
    assert "DATABASE_URL" in examination.check_postgres().detail
    assert "NATS_URL" in examination.check_nats().detail
    assert "http://model" in examination.check_provider().detail


def test_a_machine_that_cannot_shut_servers_in_is_told(monkeypatch: pytest.MonkeyPatch):
    async def nothing_holds(_: StdioSandbox) -> Protection:
        return Protection.NONE

    monkeypatch.setattr(StdioSandbox, "try_out", nothing_holds)
    finding = examination.check_stdio_servers()
    assert (finding.level, finding.name) == ("warn", "stdio servers")
    assert "bubblewrap" in (finding.fix or "")
