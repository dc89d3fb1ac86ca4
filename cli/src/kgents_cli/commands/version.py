"""`kgents version`."""

import json
import platform
from importlib.metadata import version

import click

from kgents_cli.home import checkout_root


def versions() -> dict[str, str]:
    """What a bug report needs to name."""
    root = checkout_root()
    found = {"kgents": version("kgents"), "python": platform.python_version(), "platform": platform.platform()}
    return found | ({"checkout": str(root)} if root else {})


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(as_json: bool) -> None:
    """Print the versions of Kgents and of what it runs on.

    \b
    Examples:
      kgents version
      kgents version --json
    """
    found = versions()
    if as_json:
        click.echo(json.dumps(found))
        return
    for name, value in found.items():
        click.echo(f"{name:9} {value}")
