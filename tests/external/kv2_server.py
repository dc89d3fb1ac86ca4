"""A server that speaks HashiCorp Vault's KV engine, version 2, over HTTP, written from its public API documents.

Reads and writes of `/v1/<mount>/data/<path>` with check-and-set, soft deletion, the token's header, a policy that may
only read, and the error bodies that the real one gives.
"""

from __future__ import annotations

import json
import threading
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Generator

TOKEN = "kv2-root-token"
READER = "kv2-reader-token"
_TIME = "2026-11-21T00:00:00.000000000Z"


@dataclass
class Kv2State:
    """What the server holds: each path's versions, None for a deleted one. `sealed` answers everything with 503."""

    versions: dict[str, list[dict[str, Any] | None]] = field(default_factory=dict[str, "list[dict[str, Any] | None]"])
    sealed: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""

    def delete_newest(self, path: str) -> None:
        """Delete the newest version softly, as `vault kv delete` does."""
        self.versions[path][-1] = None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Kv2State

    def do_GET(self) -> None:
        with self.state.lock:
            self._answer(*self._read())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", "0"))))
        with self.state.lock:
            self._answer(*self._write(body))

    do_PUT = do_POST  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- http.server's own name
        """Say nothing."""

    def _refusal(self, *, writing: bool) -> tuple[int, dict[str, Any]] | None:
        if self.state.sealed:
            return 503, {"errors": ["Vault is sealed"]}
        allowed = {TOKEN} if writing else {TOKEN, READER}
        if self.headers.get("X-Vault-Token") not in allowed:
            return 403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]}
        return None

    def _read(self) -> tuple[int, dict[str, Any]]:
        refused = self._refusal(writing=False)
        if refused is not None:
            return refused
        versions = self.state.versions.get(self.path.partition("?")[0], [])
        if not versions:
            return 404, {"errors": []}
        newest = versions[-1]
        metadata = {"created_time": _TIME, "deletion_time": "" if newest else _TIME, "destroyed": False}
        body = {"data": {"data": newest, "metadata": {**metadata, "version": len(versions)}}}
        return (200 if newest else 404), body

    def _write(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        refused = self._refusal(writing=True)
        if refused is not None:
            return refused
        versions = self.state.versions.setdefault(self.path, [])
        wanted = body.get("options", {}).get("cas")
        if wanted is not None and wanted != len(versions):
            return 400, {"errors": ["check-and-set parameter did not match the current version"]}
        versions.append(cast("dict[str, Any]", body["data"]))
        return 200, {"data": {"created_time": _TIME, "deletion_time": "", "destroyed": False, "version": len(versions)}}

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class _Server(ThreadingHTTPServer):
    daemon_threads = True


def kv2_server() -> AbstractContextManager[Kv2State]:
    """The server on a free port of this machine, while the block lasts."""

    @contextmanager
    def run() -> Generator[Kv2State]:
        state = Kv2State()
        server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"state": state}))
        state.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, name="kv2")
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    return run()
