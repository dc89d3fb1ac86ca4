"""`kgents create`."""

from pathlib import Path

import click


@click.command()
@click.option(
    "--config", "config", required=True, metavar="FILE", help="The agent's TOML file; - reads standard input.",
    type=click.Path(path_type=Path, allow_dash=True),
)  # fmt: skip
@click.option("--organisation", default=None, metavar="SLUG", help="Make it an agent of this organisation.")
@click.option("--draft", is_flag=True, help="Store it without publishing.")
@click.option(
    "--timeout",
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait until it answers.",
    type=click.FloatRange(min=0),
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(config: Path, organisation: str | None, draft: bool, timeout: float, as_json: bool) -> None:
    """Make or update an agent from a TOML file, publish it, wait until it answers.

    The least that the file holds is `name` and `system_prompt`.

    \b
    Examples:
      kgents create --config my-agent.toml
      kgents create --config my-agent.toml --draft
      kgents create --config my-agent.toml --organisation acme
      printf 'name = "a"\\nsystem_prompt = "Be brief."\\n' | kgents create --config -
    """
    from kgents_cli.publishing import create_from_file

    create_from_file(config, organisation=organisation, draft=draft, timeout_s=timeout, as_json=as_json)
