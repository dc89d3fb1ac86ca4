"""Lint, then pytest; with coverage of the tests' own processes where that is asked for."""

import json
import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from kgents_cli.checks.lint import run_lint
from kgents_cli.langflow import LOCK
from kgents_cli.terminal import style

_MOST_PROCESSES = 4
_TESTS_FAILED = 1
_MOST_SECOND_TRIES = 5
_LAST_FAILED = ".pytest_cache/v/cache/lastfailed"
_SERVERS_OF_TESTS = "tests/external/real_mcp_servers.py"
_SAMPLES_OF_TESTS = "tests/external/wasm_samples.py"
LANGFLOW_OF_TESTS = Path(".kgents/tools/langflow/environment")
"""What flows run on in the tests, below the checkout: installed once, for every home that they make."""


def run_suite(root: Path, pytest_args: Sequence[str], *, with_lint: bool, covered: bool = False) -> int:
    """What `kgents test` does; the exit code is lint's if that failed, else pytest's."""
    with _installed_meanwhile(root):
        if with_lint and (code := run_lint(root)) != 0:
            click.echo("lint failed, so the tests were not run (kgents test --no-lint runs them anyway)", err=True)
            return code
        if pytest_args:
            return run_pytest(root, pytest_args)
        return _run_all(root, covered=covered)


@contextmanager
def _installed_meanwhile(root: Path) -> Generator[None]:
    """What flows run on, MCP servers of others, and samples of WASM tools: half a minute's work on a fresh checkout,
    much of it waiting for the network. Tests that need one of them wait for its end, or do it where this failed, and
    say why it can't be done.
    """
    env = {**os.environ, "DEPLOYMENT_LANGFLOW_DIR": str(root / LANGFLOW_OF_TESTS)}
    wanted = {
        LOCK: ("kgents_cli", "langflow", "install"),
        _SERVERS_OF_TESTS: ("tests.external.real_mcp_servers",),
        _SAMPLES_OF_TESTS: ("tests.external.wasm_samples",),
    }
    quiet = subprocess.DEVNULL
    with ExitStack() as running:
        for file, words in wanted.items():
            if (root / file).is_file():
                command = [sys.executable, "-m", *words]
                running.enter_context(
                    subprocess.Popen(command, cwd=root, env=env, stdin=quiet, stdout=quiet, stderr=quiet)
                )
        yield


def run_pytest(
    root: Path, pytest_args: Sequence[str], env: dict[str, str] | None = None, *, covered: bool = False
) -> int:
    """pytest at the root of the checkout, by this very Python; 2 if less is `covered` than `pyproject.toml` asks."""
    sys.stdout.flush()
    measured = ["-W", "ignore:Unable to activate pytest branch coverage", "-m", "slipcover"] if covered else []
    command = [sys.executable, *measured, "-m", "pytest", *pytest_args]
    # The tests start the platform hundreds of times: compiled once, not at each start.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(command, cwd=root, env={**inherited, **(env or {})}, check=False).returncode


def run_chaos(root: Path, pytest_args: Sequence[str], *, minutes: float | None = None, seed: int | None = None) -> int:
    """The fault tests with `KGENTS_CHAOS_FULL=1`; no time limit for each, since the full counts take long."""
    env = {"KGENTS_CHAOS_FULL": "1"}
    if minutes is not None:
        env["KGENTS_CHAOS_MINUTES"] = str(minutes)
    if seed is not None:
        env["KGENTS_CHAOS_SEED"] = str(seed)
    return run_pytest(root, ["-m", "chaos", "--timeout=0", "-rP", *pytest_args], env)


def _run_all(root: Path, *, covered: bool) -> int:
    """The whole suite, file by file on two processes more than there are cores, each with servers of its own.

    Two more, since tests wait: for a process to start or to end, for a time limit to pass.

    Coverage is of the tests' own processes: what they start runs unmeasured, as it does for users.
    """
    table = ["-p", "kgents_cli.checks.coverage_table"] if covered else []
    code = run_pytest(
        root,
        [
            *table,
            "-n",
            str(min(_MOST_PROCESSES, (os.cpu_count() or 1) + 2)),
            "--dist=loadfile",
            "--no-loadscope-reorder",  # in the order of `testpaths`: xdist's own would leave the longest for the end
        ],
        covered=covered,
    )
    return _once_more_alone(root) if code == _TESTS_FAILED else code


def _once_more_alone(root: Path) -> int:
    """A few tests that failed beside others are run again by themselves, as CPython's `regrtest --rerun` does: what
    fails then too fails the run, and what only a busy machine made fail is named (ADR 33).
    """
    failed = _last_failed(root)
    if not 0 < len(failed) <= _MOST_SECOND_TRIES:
        return _TESTS_FAILED
    click.echo(f"\n{len(failed)} failed beside the others, and once more, with nothing beside:")
    code = run_pytest(root, ["-p", "no:xdist", "--last-failed", "--last-failed-no-failures=none"])
    if code == 0:
        click.echo(style("Passed only when nothing ran beside them: ", "yellow", sys.stdout) + ", ".join(failed))
    return code


def _last_failed(root: Path) -> list[str]:
    try:
        return sorted(json.loads((root / _LAST_FAILED).read_text("utf-8")))
    except FileNotFoundError:  # pytest's cache is switched off
        return []
