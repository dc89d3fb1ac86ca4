"""`python -m platform_host up`: the platform in the foreground. Settings come from config.toml and the environment.

Exit codes: 0 stopped as asked, 2 bad settings, 1 anything else. A failure is one sentence on stderr, behind
`kgents: `; faults of the settings are one each.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import platform_host.light_imports  # noqa: F401  # pyright: ignore[reportUnusedImport] -- before all else
from platform_host.config import load_settings
from platform_host.faults import EXIT_BAD_INPUT, exit_code, first_fault, sentences
from platform_host.host import run_host

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Run `up`; returns the exit code."""
    if list(arguments) != ["up"]:
        _say("usage: python -m platform_host up")
        return EXIT_BAD_INPUT
    try:
        run_host(load_settings(os.environ))
    except Exception as error:  # noqa: BLE001 - told below, and logged with its trace where it was not expected
        fault = first_fault(error)
        unexpected = f"the server failed ({type(fault).__name__}: {fault}); the log has the details"
        _say(*(sentences(fault) or (unexpected,)))
        return exit_code(fault)
    return 0


def _say(*told: str) -> None:
    for sentence in told:
        sys.stderr.write(f"kgents: {' '.join(sentence.split())}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
