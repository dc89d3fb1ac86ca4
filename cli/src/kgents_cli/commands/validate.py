"""`kgents validate`."""

from pathlib import Path

import click

from kgents_cli.parameters import FilePath, Slug


@click.command()
@click.argument("file", metavar="FILE", type=FilePath(allow_dash=True))
@click.option("--server", is_flag=True, help="Ask the server as well: its limits, and the tools that there are.")
@click.option(
    "--organisation",
    default=None,
    metavar="SLUG",
    type=Slug(),
    help="With --server: as an agent of this organisation would be.",
)
@click.option("--json", "as_json", is_flag=True, help='Print {"errors": […], "warnings": […]}.')
def command(file: Path, server: bool, organisation: str | None, as_json: bool) -> int:
    """Check an agent's definition and say where each fault stands.

    FILE is TOML, or JSON if its name ends in .json; - reads standard input. Without --server nothing needs to run.
    Warnings tell of what is likely a mistake. The exit code is 2 if there are errors.

    \b
    Examples:
      kgents validate my-agent.toml
      kgents validate my-agent.toml --json
      kgents validate my-agent.toml --server
      kgents explain extra_forbidden
    """
    from kgents_cli.validation import validate_file

    return validate_file(file, server=server, organisation=organisation, as_json=as_json)
