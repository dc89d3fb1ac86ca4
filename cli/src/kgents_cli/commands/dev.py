"""`kgents dev`."""

from pathlib import Path

import click

from kgents_cli.parameters import FilePath, Slug


@click.command()
@click.argument("paths", nargs=-1, required=True, type=FilePath(), metavar="FILE|FOLDER...")
@click.option("--organisation", default=None, metavar="SLUG", type=Slug(), help="Their agents are this organisation's.")
@click.option(
    "--timeout", default=60.0, show_default=True, metavar="SECONDS", type=click.FloatRange(min=0),
    help="How long a new version may take to start before the one before it runs again.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each reload, each on its line.")
def command(paths: tuple[Path, ...], organisation: str | None, timeout: float, as_json: bool) -> None:
    """Publish agents again whenever their TOML files are saved, until Ctrl-C.

    Of a folder that is every *.toml in it that defines an agent, also one that is made later. An agent keeps its id and
    its conversations. A file with faults changes nothing: the last good version goes on.

    \b
    Examples:
      kgents dev my-agent.toml
      kgents dev agents/ other.toml
      kgents dev agents/ --organisation acme --json
    """
    from kgents_cli.hot_reload.session import develop

    develop(paths, organisation=organisation, timeout_s=timeout, as_json=as_json)
