"""The platform's HTTP API as the commands use it: one token, one address, failures as sentences."""

import json
import os
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote, urlsplit
from uuid import uuid4

import httpx

from kgents_cli.faults import BadInput, CliError, NotRunning
from kgents_cli.home import DEFAULT_PORT, Home
from kgents_cli.problems import problem_error
from kgents_cli.processes import find_server
from kgents_cli.session import read_session
from kgents_cli.tls import verification_for
from kgents_cli.tokens import access_token


def server_url(home: Home, env: Mapping[str, str] = os.environ) -> str:
    """`KGENTS_URL`, or where this home's running host answers, or where somebody is logged in; no trailing slash.

    Raises:
        NotRunning: there is none of them.
        BadInput: `KGENTS_URL` is no address.
    """
    named = env.get("KGENTS_URL")
    if named:
        if not is_address(named):
            raise BadInput(f"KGENTS_URL is no address: {named}", hint="write it as http://127.0.0.1:8080, or unset it")
        return named.rstrip("/")
    server = find_server(home)
    if server is None:
        session = read_session(home)
        if session is None:
            raise NotRunning(f"no server is running for {home.path}")
        return session.url
    return (server.url or f"http://127.0.0.1:{env.get('KGENTS_PORT', DEFAULT_PORT)}").rstrip("/")


def is_address(url: str) -> bool:
    """Whether this is an http or https URL that names a machine."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and url.isprintable()
    except ValueError:
        return False


def agent_path(agent: str, *below: str) -> str:
    """`/agents/<agent>/<below>`, whatever the user wrote as the agent's name.

    Raises:
        BadInput: the name is empty.
    """
    if not agent:
        raise BadInput("the agent's name is empty", hint="see what there is with: kgents agents list")
    return path_below("/agents", agent, *below)


def agent_name(agent: Mapping[str, Any]) -> str:
    """What an agent of the API is called in commands: `name`, or `organisation~name`."""
    organisation = agent.get("organisation")
    return f"{organisation}~{agent['name']}" if organisation else str(agent["name"])


def path_below(path: str, name: str, *below: str) -> str:
    """`<path>/<name>/<below>`, whatever the user wrote as the name and below it.

    Raises:
        BadInput: one of them is empty.
    """
    if not name or not all(below):
        raise BadInput("the name is empty", hint="the same command with `list` shows what there is")
    return "/".join((path, *(quote(part, safe="", errors="replace") for part in (name, *below))))


def plain_key(key: str) -> str:
    """The key, which stands in a path.

    Raises:
        BadInput: none can be like it.
    """
    if not key or "/" in key:
        raise BadInput(
            f"{key!r} is no key", hint="take letters, digits, _ . : and -, as in favourite_tea or orders.open"
        )
    return key


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One server-sent event; `data` is its JSON object, `id` what to go on behind."""

    name: str
    data: dict[str, Any]
    id: str | None = None


class ApiClient:
    """Calls the public API. A token that is no longer accepted is fetched again once.

    Every method raises NotRunning if nothing answers and CliError for every refusal.
    """

    def __init__(self, home: Home | None = None, env: Mapping[str, str] = os.environ) -> None:
        self._home = home or Home.from_environment(env)
        self._env = env
        self.url = server_url(self._home, env)
        self._token = access_token(self._home, self.url, env=env)
        verify = verification_for(self.url)
        self._http = httpx.Client(base_url=self.url, timeout=httpx.Timeout(60, connect=10), verify=verify)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def renew_token(self) -> None:
        """Get another token, for what has changed of whom it speaks for. One that was given stays as it is."""
        self._token = access_token(self._home, self.url, fresh=True, env=self._env)

    def call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        content_type: str | None = None,
        source: str | None = None,
        timeout_s: float = 60,
    ) -> Any:
        """One request below `/api/v1`; the parsed JSON answer, or None where there is no body."""
        headers = {"content-type": content_type} if content_type else {}
        request = self._http.build_request(
            method, f"/api/v1{path}", json=body, params=params, content=content, headers=headers,
            timeout=httpx.Timeout(timeout_s, connect=10),
        )  # fmt: skip
        return self._answer(request, source)

    def post_under(self, key: str | None, path: str, body: Any, *, timeout_s: float) -> Any:
        """POSTs under an idempotency key of one's own, or under none: then the server says what it makes of that."""
        request = self._http.build_request(
            "POST", f"/api/v1{path}", json=body, headers={} if key is None else {"idempotency-key": key},
            timeout=httpx.Timeout(timeout_s, connect=10),
        )  # fmt: skip
        return self._answer(request, None, makes_key=False)

    def _answer(self, request: httpx.Request, source: str | None, *, makes_key: bool = True) -> Any:
        answer = self._send(request, makes_key=makes_key)
        if answer.status_code >= 400:
            raise problem_error(answer.status_code, _parsed(answer.text), source=source)
        return _parsed(answer.text)

    def pages(self, path: str, params: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """Every item of a list, page after page."""
        cursor: str | None = None
        while True:
            page = self.call("GET", path, params={**(params or {}), **({"cursor": cursor} if cursor else {})})
            yield from page["items"]
            cursor = page.get("next_cursor")
            if not cursor:
                return

    @contextmanager
    def stream(self, path: str, body: Any) -> Generator[Iterator[ServerEvent]]:
        """POSTs and yields the server-sent events of the answer as they come."""
        request = self._http.build_request(
            "POST", f"/api/v1{path}", json=body, headers={"accept": "text/event-stream"},
            timeout=httpx.Timeout(60, connect=10),
        )  # fmt: skip
        with self._streamed(request) as events:
            yield events

    @contextmanager
    def watch(self, path: str, behind: str | None) -> Generator[Iterator[ServerEvent]]:
        """GETs and yields the server-sent events behind that id as they come; none where all were heard."""
        headers = {"accept": "text/event-stream"} | ({} if behind is None else {"last-event-id": behind})
        request = self._http.build_request(
            "GET", f"/api/v1{path}", headers=headers, timeout=httpx.Timeout(60, connect=10)
        )
        with self._streamed(request) as events:
            yield events

    @contextmanager
    def _streamed(self, request: httpx.Request) -> Generator[Iterator[ServerEvent]]:
        answer = self._send(request, stream=True)
        try:
            if answer.status_code >= 400:
                answer.read()
                raise problem_error(answer.status_code, _parsed(answer.text))
            yield read_events(answer.iter_lines())
        except httpx.TransportError as fault:
            raise self._unreachable(fault) from fault
        finally:
            answer.close()

    @contextmanager
    def lines(self, path: str) -> Generator[Iterator[str]]:
        """GETs and yields the lines of the answer as they come."""
        request = self._http.build_request("GET", f"/api/v1{path}", timeout=httpx.Timeout(600, connect=10))
        answer = self._send(request, stream=True)
        try:
            if answer.status_code >= 400:
                answer.read()
                raise problem_error(answer.status_code, _parsed(answer.text))
            yield answer.iter_lines()
        except httpx.TransportError as fault:
            raise self._unreachable(fault) from fault
        finally:
            answer.close()

    def _send(self, request: httpx.Request, *, stream: bool = False, makes_key: bool = True) -> httpx.Response:
        if request.method == "POST" and makes_key:
            request.headers.setdefault("idempotency-key", str(uuid4()))
        request.headers["authorization"] = f"Bearer {self._token}"
        try:
            answer = self._http.send(request, stream=stream)
            if answer.status_code == 401 and not self._env.get("KGENTS_TOKEN"):
                answer.close()
                self._token = access_token(self._home, self.url, fresh=True, env=self._env)
                request.headers["authorization"] = f"Bearer {self._token}"
                answer = self._http.send(request, stream=stream)
        except httpx.TransportError as fault:
            raise self._unreachable(fault) from fault
        return answer

    def _unreachable(self, fault: httpx.TransportError) -> CliError:
        if isinstance(fault, httpx.ConnectError | httpx.ConnectTimeout):
            if self._env.get("KGENTS_URL"):
                return NotRunning(f"no server answers at {self.url}", hint="KGENTS_URL names it: correct or unset it")
            return NotRunning(f"no server answers at {self.url}")
        return CliError(
            f"the connection to {self.url} broke ({type(fault).__name__})",
            hint="kgents server status says whether it runs; what was stored is still there",
        )


def read_events(lines: Iterator[str]) -> Iterator[ServerEvent]:
    """Parses a `text/event-stream` (WHATWG HTML §9.2.6); comments and events without data are skipped."""
    name, data, event_id = "message", list[str](), None
    for line in lines:
        if not line:
            if data:
                parsed = _parsed("\n".join(data))
                yield ServerEvent(name, parsed if isinstance(parsed, dict) else {"value": parsed}, event_id)
            name, data, event_id = "message", [], None
        elif line.startswith("id:"):
            event_id = line[3:].strip()
        elif line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None
