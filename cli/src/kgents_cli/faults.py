"""Failures that a person reads: what happened, where, and what to do next."""

import os
import re
import sys
from collections.abc import Sequence

EXIT_OTHER = 1
EXIT_BAD_INPUT = 2
EXIT_NOT_RUNNING = 3

# Every command: none is imported here, so a test compares.
_NAMED = (
    "agents|approvals|bench|budgets|capabilities|chaos|clients|completion|contexts|conversations|create|credentials|demo|dev"
    "|doctor|explain|keys|kinds|langflow|lint|locks|login|logout|logs|man|mcp|memory|message|migrate|models|organisations"
    "|policies|profiles|replay|roles|runs|schema|server|templates|test|test-agent|token|tools|trace|up|usage|users|validate"
    "|version|whoami|wrappers"
)
_OWN_COMMAND = re.compile(rf"(?<![\w./-])kgents (?=(?:{_NAMED})\b)")


def as_called(text: str) -> str:
    """`text` with each `kgents server start` and the like as the command was called: `./kgents server start`."""
    called = os.environ.get("KGENTS_CALLED")
    return _OWN_COMMAND.sub(lambda _: f"{called} ", text) if called else text


class CliError(Exception):
    """A command can't do what was asked.

    `lines` are the details (one fault each), `hint` is the next step, `exit_code` as `kgents --help` lists them.
    """

    def __init__(
        self, message: str, *, lines: Sequence[str] = (), hint: str | None = None, exit_code: int = EXIT_OTHER
    ) -> None:
        super().__init__(message)
        self.message = message
        self.lines = tuple(lines)
        self.hint = hint
        self.exit_code = exit_code

    def show(self) -> None:
        """Prints the failure on stderr; colour only where stderr is a terminal and NO_COLOR is unset."""
        from kgents_cli.terminal import harmless, style

        print(f"{style('kgents:', 'red')} {harmless(as_called(self.message))}", file=sys.stderr)
        for line in self.lines:
            print(f"  {harmless(as_called(line))}", file=sys.stderr)
        if self.hint:
            print(f"  {style('→', 'cyan')} {harmless(as_called(self.hint))}", file=sys.stderr)


class NotRunning(CliError):
    """No server answers where one is expected."""

    def __init__(self, message: str, *, hint: str = "start it with: kgents server start") -> None:
        super().__init__(message, hint=hint, exit_code=EXIT_NOT_RUNNING)


class BadInput(CliError):
    """What the user gave can't be used as it is."""

    def __init__(self, message: str, *, lines: Sequence[str] = (), hint: str | None = None) -> None:
        super().__init__(message, lines=lines, hint=hint, exit_code=EXIT_BAD_INPUT)


class ApiFault(CliError):
    """The server refused: `status` is HTTP's, `code` the problem's own (`name_taken`, …)."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str,
        lines: Sequence[str] = (),
        hint: str | None = None,
        exit_code: int = EXIT_OTHER,
    ) -> None:
        super().__init__(message, lines=lines, hint=hint, exit_code=exit_code)
        self.status = status
        self.code = code
