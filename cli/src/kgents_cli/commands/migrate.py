"""`kgents migrate`."""

from pathlib import Path

import click

from kgents_cli.parameters import FilePath, Slug


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH…", type=FilePath())
@click.option(
    "--out", required=True, metavar="DIR", help="Where the TOML files go; it is made where it isn't there.",
    type=FilePath(file_okay=False),
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace files of DIR that say something else.")
@click.option("--deploy", is_flag=True, help="Make or update an agent of each file, publish it, wait until it answers.")
@click.option(
    "--organisation", default=None, metavar="SLUG", type=Slug(), help="With --deploy: make agents of this organisation."
)
@click.option(
    "--timeout",
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="With --deploy: how long to wait until each answers.",
    type=click.FloatRange(min=0),
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
def command(
    paths: tuple[Path, ...],
    out: Path,
    overwrite: bool,
    deploy: bool,
    organisation: str | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Turn agents of other systems (Wegent, CrewAI, OpenAI Assistants, YAML) into TOML files.

    PATH is a file or a folder with YAML and JSON in it; each document is recognised by its fields. What changed and
    what could not be carried over is told with its reason. Only what the validator takes is written.

    \b
    Examples:
      kgents migrate crew/config/agents.yaml --out agents
      kgents migrate wegent/ assistants.json --out agents --json
      kgents migrate old-agents/ --out agents --deploy
    """
    from kgents_cli.migrating import Deployment, migrate

    deployment = Deployment(organisation, timeout) if deploy else None
    migrate(paths, out, overwrite=overwrite, deployment=deployment, as_json=as_json)
