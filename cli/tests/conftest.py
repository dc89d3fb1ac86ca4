"""The command run in this process, a home of its own, and a real HTTP server that answers as the documents say."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from kgents_cli.home import Home
from kgents_cli.main import run


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Kgents = Callable[..., Ran]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """An empty KGENTS_HOME, and no setting of this machine's."""
    for name in ("TOKEN", "URL", "PORT", "BIND", "CALLED"):
        monkeypatch.delenv(f"KGENTS_{name}", raising=False)
    for provider in ("OPENAI", "ANTHROPIC", "GOOGLE", "OLLAMA", "LOCALAI"):
        monkeypatch.delenv(f"{provider}_API_KEY", raising=False)
        monkeypatch.delenv(f"{provider}_BASE_URL", raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("KGENTS_HOME", str(tmp_path / "home"))
    return Home(tmp_path / "home")


@pytest.fixture
def kgents(home: Home, capsys: pytest.CaptureFixture[str]) -> Kgents:
    """`kgents("agents", "list")` → exit code, stdout and stderr."""
    del home

    def ran(*arguments: str) -> Ran:
        capsys.readouterr()
        code = run(arguments)
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return ran


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server says to one request: a JSON body, or text of another type."""

    status: int = 200
    body: Any = None
    kind: str = "application/json"


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: str


@dataclass(slots=True)
class Api:
    """A server's address, what it will answer by method and path, and what it was asked."""

    url: str
    answers: dict[tuple[str, str], list[Answer]] = field(default_factory=dict[tuple[str, str], list[Answer]])
    seen: list[Seen] = field(default_factory=list[Seen])

    def will(self, method: str, path: str, *answers: Answer) -> None:
        """The answers to this request in their order; the last one is repeated."""
        self.answers[method, path] = list(answers)

    def bodies(self, method: str, path: str) -> list[str]:
        return [seen.body for seen in self.seen if (seen.method, seen.path.partition("?")[0]) == (method, path)]


class _Handler(BaseHTTPRequestHandler):
    api: Api

    def _serve(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length).decode()
        self.api.seen.append(Seen(self.command, self.path, dict(self.headers), body))
        queue = self.api.answers.get((self.command, self.path.partition("?")[0]))
        if not queue:
            answer = Answer(404, {"detail": f"nothing at {self.path}", "code": "not_found"})
        else:
            answer = queue.pop(0) if len(queue) > 1 else queue[0]
        text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        sent = b"" if answer.status == 204 else text.encode()
        self.send_response(answer.status)
        self.send_header("content-type", answer.kind)
        self.send_header("content-length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        del format, args


@pytest.fixture
def api(home: Home, monkeypatch: pytest.MonkeyPatch) -> Generator[Api]:
    """A server at KGENTS_URL whose admin's password lies in the home."""

    class Handler(_Handler):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Handler.api = found = Api(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    home.admin_file.parent.mkdir(parents=True)
    home.admin_file.write_text(json.dumps({"email": "admin@localhost", "password": "long enough"}))
    found.will("POST", "/auth/login", Answer(200, {"access_token": "token-1", "expires_in": 900}))
    monkeypatch.setenv("KGENTS_URL", found.url)
    yield found
    server.shutdown()
    server.server_close()
    thread.join()
