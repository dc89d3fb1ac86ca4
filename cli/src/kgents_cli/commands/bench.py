"""`kgents bench`."""

import subprocess
import sys
from pathlib import Path

import click

_BENCHMARK_MARK = 'if __name__ == "__main__":'


def benchmarks(root: Path) -> list[str]:
    """Names of the modules in `benchmarks/` that can be run."""
    files = sorted((root / "benchmarks").glob("*.py"))
    return [file.stem for file in files if _BENCHMARK_MARK in file.read_text(encoding="utf-8")]


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["-h", "--help"]})
@click.argument("name", required=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGUMENTS]...")
def command(name: str | None, arguments: tuple[str, ...]) -> int:
    """Run a benchmark and print its table.

    Without NAME, list them. ARGUMENTS go to the benchmark: `kgents bench message -- --help` says which it takes.

    \b
    Examples:
      kgents bench
      kgents bench message
      kgents bench message --quick
    """
    from kgents_cli.faults import BadInput
    from kgents_cli.home import require_checkout

    root = require_checkout("bench")
    known = benchmarks(root)
    if name is None:
        click.echo("\n".join(known))
        return 0
    if name not in known:
        raise BadInput(f"there is no benchmark {name!r}", hint=f"there is: {', '.join(known) or 'none yet'}")
    return subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *arguments], cwd=root, check=False).returncode
