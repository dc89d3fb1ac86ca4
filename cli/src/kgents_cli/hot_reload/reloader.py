"""One file's content brought to the server: reloaded, waited for, and undone where it doesn't start."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kgents_cli.client import ApiClient, agent_name, agent_path
from kgents_cli.faults import ApiFault, CliError
from kgents_cli.hot_reload.outcomes import Outcome, State
from kgents_cli.hot_reload.sources import declared_name
from kgents_cli.publishing import NotReady, language_of, wait_until_ready
from kgents_cli.terminal import harmless

# Refusals for what the moment brings, not for what the file says.
_PASSING = {408, 429}


class _Superseded(Exception):
    """The file was saved again."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """What the server made of a definition."""

    agent: str
    state: State
    version: int
    answering: int
    changes: list[dict[str, Any]]


class Reloader:
    """Brings files to one server. Different files may be reloaded at the same time, one file one after another."""

    def __init__(self, api: ApiClient, organisation: str | None, timeout_s: float) -> None:
        self._api = api
        self._organisation = organisation
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._file_of: dict[str, Path] = {}
        self._good: dict[str, int] = {}
        self._first: dict[str, int] = {}

    def forget(self, file: Path) -> str | None:
        """Another file may define its agent from now on. The agent's name."""
        with self._lock:
            name = self._name_of(file)
            if name is not None:
                del self._file_of[name]
            return name

    def reload(self, file: Path, content: bytes, since: float, superseded: Callable[[], bool]) -> Outcome:
        """Make the content what runs. `since` is when it was found (`time.perf_counter`)."""
        name = self._named(declared_name(content))
        with self._lock:
            name = name or self._name_of(file)
            other = self._claim(name, file)
        if other is not None:
            return Outcome(file, State.WAITING, name, message=f"{other} defines this agent too; it goes first")
        try:
            sent = self._send(file, name, content)
            return self._answering(file, sent, since, superseded)
        except _Superseded:
            return Outcome(file, State.SUPERSEDED, name, message="it was saved again")
        except ApiFault as fault:
            passes = fault.status in _PASSING or fault.status >= 500
            state = State.WAITING if passes else State.REFUSED
            runs = self._running(name) if state is State.REFUSED else None
            return Outcome(file, state, name, runs, message=_sentence(fault), faults=fault.lines)
        except CliError as fault:
            return Outcome(file, State.WAITING, name, message=_sentence(fault), faults=fault.lines)

    def _send(self, file: Path, name: str | None, content: bytes) -> _Sent:
        """Raises CliError."""
        kind = f"application/{language_of(content)}"
        if name is not None:
            try:
                found = self._api.call(
                    "PUT", agent_path(name, "reload"), params={"source": _source(file)}, content=content,
                    content_type=kind, source=str(file),
                )  # fmt: skip
                if found["version_before"] is not None:
                    self._first.setdefault(name, found["version_before"])
                return _Sent(name, State(found["state"]), found["version"], found["answering"], found["changes"])
            except ApiFault as fault:
                if fault.code != "agent_not_found":
                    raise
        params = {"publish": "true"} | ({} if self._organisation is None else {"organisation": self._organisation})
        made = self._api.call(
            "POST", "/agents", params=params, content=content, content_type=kind, source=str(file)
        )  # fmt: skip
        return _Sent(agent_name(made), State.CREATED, made["version"], made["version"], [])

    def _answering(self, file: Path, sent: _Sent, since: float, superseded: Callable[[], bool]) -> Outcome:
        """Wait until the version answers. Raises CliError, _Superseded."""
        if sent.answering != sent.version:
            message = f"version {sent.version} is published; version {sent.answering}, labelled stable, answers"
            return Outcome(file, State.PUBLISHED, sent.agent, sent.answering, changes=sent.changes, message=message)

        def look(_state: str | None) -> None:
            if superseded():
                raise _Superseded

        try:
            if sent.state is not State.UNCHANGED or self._good.get(sent.agent) != sent.version:
                wait_until_ready(self._api, sent.agent, sent.version, self._timeout_s, look)
        except NotReady as fault:
            return self._undone(file, sent, fault)
        self._good[sent.agent] = sent.version
        seconds = time.perf_counter() - since
        return Outcome(file, sent.state, sent.agent, sent.version, seconds, sent.changes)

    def _undone(self, file: Path, sent: _Sent, fault: NotReady) -> Outcome:
        """Run the last version that answered again. Raises CliError."""
        good = self._good.get(sent.agent) or self._first.get(sent.agent)
        if good is None or good == sent.version:
            return Outcome(file, State.FAILED, sent.agent, None, message=_sentence(fault), changes=sent.changes)
        self._api.call("POST", agent_path(sent.agent, "rollback"), body={"version": good})
        return Outcome(file, State.ROLLED_BACK, sent.agent, good, message=_sentence(fault), changes=sent.changes)

    def _running(self, name: str | None) -> int | None:
        """The version that goes on after a refusal."""
        if name is None or name in self._good:
            return None if name is None else self._good[name]
        try:
            agent = self._api.call("GET", agent_path(name))
        except CliError:
            # There is no such agent, or it can't be asked for: the refusal itself is what is told.
            return None
        return agent["version"] if agent["status"] == "published" else None

    def _named(self, name: str | None) -> str | None:
        return None if name is None else agent_name({"name": name, "organisation": self._organisation})

    def _name_of(self, file: Path) -> str | None:
        return next((name for name, claimed in self._file_of.items() if claimed == file), None)

    def _claim(self, name: str | None, file: Path) -> Path | None:
        """Take the name for this file; the other file that has it, if one does."""
        if name is None:
            return None
        other = self._file_of.setdefault(name, file)
        if other != file:
            return other
        for old in [old for old, claimed in self._file_of.items() if claimed == file and old != name]:
            del self._file_of[old]
        return None


def _source(file: Path) -> str:
    """The file's name in one line that the server takes."""
    return " ".join(harmless(file.name).split())[-255:] or "-"


def _sentence(fault: CliError) -> str:
    return fault.message if fault.hint is None else f"{fault.message} ({fault.hint})"
