"""The access token that the commands work with: given, kept from last time, or fetched for this machine's admin."""

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from kgents_cli.faults import ApiFault, BadInput, CliError, NotRunning
from kgents_cli.home import Home
from kgents_cli.problems import problem_error
from kgents_cli.session import Session, keep_session, read_session, refreshing, write_private
from kgents_cli.tls import verification_for

# A token handed to a script should outlive the script's next few calls.
_MARGIN_S = 120


def access_token(home: Home, url: str, *, fresh: bool = False, env: Mapping[str, str] = os.environ) -> str:
    """`KGENTS_TOKEN`; else that of who logged in; else the kept token of this machine's admin, or a login as admin.

    A kept token that is about to expire is renewed, and any where `fresh` is asked.

    Raises:
        BadInput: `KGENTS_TOKEN` can be no token.
        CliError: the session is over, this machine holds no admin password for the server, or the login was refused.
        NotRunning: nothing answers at `url`.
    """
    given = env.get("KGENTS_TOKEN", "").strip()
    if given:
        if not (given.isascii() and given.isprintable()):
            raise BadInput("KGENTS_TOKEN holds characters that no token has", hint="set it anew, or unset it")
        return given
    session = read_session(home)
    if session is not None and session.url == url:
        return session.access_token if not fresh and _lasts(session) else _renewed(home, url, session)
    if not fresh and (kept := _kept(home.token_file, url)) is not None:
        return kept
    return _login(home, url)


def log_in(url: str, email: str, password: str) -> Session:
    """Exchange an address and a password for a session. Raises NotRunning, and CliError for a refusal."""
    return Session.of(url, email, _post(url, "/auth/login", {"email": email, "password": password}))


def _lasts(session: Session) -> bool:
    return session.expires_at > time.time() + _MARGIN_S


def _renewed(home: Home, url: str, seen: Session) -> str:
    with refreshing(home):
        session = read_session(home)
        if session is None:
            raise CliError("the session was ended", hint="log in again: kgents login")
        if session != seen and _lasts(session):  # another command was quicker
            return session.access_token
        try:
            tokens = _post(url, "/auth/refresh", {"refresh_token": session.refresh_token})
        except ApiFault as fault:
            if fault.status == 401:
                raise CliError(f"the session of {session.email} is over", hint="log in again: kgents login") from fault
            raise
        session = Session.of(url, session.email, tokens)
        keep_session(home, session)
        return session.access_token


def _post(url: str, path: str, body: dict[str, str]) -> dict[str, Any]:
    try:
        answer = httpx.post(f"{url}{path}", json=body, timeout=30, verify=verification_for(url))
    except httpx.TransportError as fault:
        raise NotRunning(f"no server answers at {url}") from fault
    found = _json(answer)
    if answer.status_code != 200 or not isinstance(found, dict):
        raise problem_error(answer.status_code, found)
    return found


def _kept(file: Path, url: str) -> str | None:
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if (
        not isinstance(kept, dict)
        or kept.get("url") != url
        or float(kept.get("expires_at", 0)) < time.time() + _MARGIN_S
    ):
        return None
    token = kept.get("access_token")
    return token if isinstance(token, str) else None


def _login(home: Home, url: str) -> str:
    """Logs in anew, never refreshes: two commands at once would use one refresh token twice and kill its family."""
    try:
        admin = json.loads(home.admin_file.read_text(encoding="utf-8"))
        body = {"email": admin["email"], "password": admin["password"]}
    except FileNotFoundError as fault:
        raise CliError(
            f"nobody is logged in to {url}",
            hint=f"log in with: kgents login --url {url}   (or set KGENTS_TOKEN to a token of that server)",
        ) from fault
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise CliError(
            f"{home.admin_file} holds no admin's address and password ({type(fault).__name__})",
            hint="set KGENTS_TOKEN to a token of that server, or KGENTS_HOME to its folder",
        ) from fault
    tokens = _post(url, "/auth/login", body)
    token = str(tokens["access_token"])
    keep = {"url": url, "access_token": token, "expires_at": time.time() + float(tokens["expires_in"])}
    with suppress(OSError):  # a full disk costs only the cache
        write_private(home.token_file, json.dumps(keep))
    return token


def _json(answer: httpx.Response) -> object:
    try:
        return answer.json()
    except ValueError:
        return None
