"""The access token that the commands work with: given, kept from last time, or fetched for this machine's admin."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from kgents_cli.faults import BadInput, CliError, NotRunning
from kgents_cli.home import Home
from kgents_cli.problems import problem_error

# A token handed to a script should outlive the script's next few calls.
_MARGIN_S = 120


def access_token(home: Home, url: str, *, fresh: bool = False, env: Mapping[str, str] = os.environ) -> str:
    """`KGENTS_TOKEN`; else the kept token unless it is about to expire or `fresh` is asked; else a login as admin.

    Raises:
        BadInput: `KGENTS_TOKEN` can be no token.
        CliError: this machine holds no admin password for the server, or the login was refused.
        NotRunning: nothing answers at `url`.
    """
    given = env.get("KGENTS_TOKEN", "").strip()
    if given:
        if not (given.isascii() and given.isprintable()):
            raise BadInput("KGENTS_TOKEN holds characters that no token has", hint="set it anew, or unset it")
        return given
    if not fresh and (kept := _kept(home.token_file, url)) is not None:
        return kept
    return _login(home, url)


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
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise CliError(
            f"{home.admin_file} holds no admin's address and password ({type(fault).__name__})",
            hint="set KGENTS_TOKEN to a token of that server, or KGENTS_HOME to its folder",
        ) from fault
    try:
        answer = httpx.post(f"{url}/auth/login", json=body, timeout=30)
    except httpx.TransportError as fault:
        raise NotRunning(f"no server answers at {url}") from fault
    if answer.status_code != 200:
        raise problem_error(answer.status_code, _json(answer))
    tokens: dict[str, Any] = answer.json()
    token = str(tokens["access_token"])
    keep = {"url": url, "access_token": token, "expires_at": time.time() + float(tokens["expires_in"])}
    _write_private(home.token_file, json.dumps(keep))
    return token


def _json(answer: httpx.Response) -> object:
    try:
        return answer.json()
    except ValueError:
        return None


def _write_private(file: Path, text: str) -> None:
    """Replaces the file in one step, readable by its owner alone. A full disk costs only the cache."""
    part = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(text)
        part.replace(file)
    except OSError:
        part.unlink(missing_ok=True)
