"""`kgents create`."""

from pathlib import Path

import click

from kgents_cli.parameters import FilePath, Slug


@click.command()
@click.option(
    "--config", "config", default=None, metavar="FILE", help="A TOML file or Langflow export; - reads standard input.",
    type=FilePath(allow_dash=True),
)  # fmt: skip
@click.option("--template", default=None, metavar="TEMPLATE", help="Start from a template: `kgents templates list`.")
@click.option("--name", default=None, metavar="NAME", help="The agent's name, with --template; else the template's.")
@click.option(
    "--organisation", default=None, metavar="SLUG", type=Slug(), help="Make it an agent of this organisation."
)
@click.option(
    "--require-tests", "tests", multiple=True, metavar="FILE", type=FilePath(),
    help="Send nothing unless these scenarios pass; may be given more than once.",
)  # fmt: skip
@click.option("--draft", is_flag=True, help="Store it without publishing.")
@click.option(
    "--timeout",
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait until it answers.",
    type=click.FloatRange(min=0),
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object an agent.")
def command(
    config: Path | None,
    template: str | None,
    name: str | None,
    organisation: str | None,
    tests: tuple[Path, ...],
    draft: bool,
    timeout: float,
    as_json: bool,
) -> None:
    """Make or update an agent from a TOML file or a template, publish it, wait until it answers.

    The least that the file holds is `name` and `system_prompt`. JSON of the same fields is taken as well, and a flow
    that Langflow exported, with --draft. A template makes new agents only.

    \b
    Examples:
      kgents create --config my-agent.toml
      kgents create --config my-agent.toml --draft
      kgents create --config langflow-export.json --draft
      kgents create --config my-agent.toml --organisation acme
      kgents create --config my-agent.toml --require-tests my-agent.scenarios.toml
      kgents create --template chatbot --name my-bot
      printf 'name = "a"\\nsystem_prompt = "Be brief."\\n' | kgents create --config -
    """
    if (config is None) == (template is None):
        raise click.UsageError("name one of --config FILE and --template TEMPLATE")
    if name is not None and template is None:
        raise click.UsageError("--name goes with --template: a file says its agent's name itself")
    if tests and config is None:
        raise click.UsageError("--require-tests goes with --config: a template comes tested")
    from kgents_cli.publishing import Delivery, create_from_file
    from kgents_cli.templates import create_from_template

    delivery = Delivery(organisation=organisation, draft=draft, timeout_s=timeout, as_json=as_json)
    if config is not None:
        create_from_file(config, delivery, tests)
    elif template is not None:
        create_from_template(template, name, delivery)
