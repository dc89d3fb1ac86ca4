"""`kgents create`."""

from pathlib import Path
from typing import Any

import click

from kgents_cli.parameters import FilePath, Slug

_OF_DESCRIPTION = ("flow", "publish", "out", "provider", "model", "credential")


@click.command()
@click.option(
    "--config", "config", default=None, metavar="FILE", help="A TOML file or Langflow export; - reads standard input.",
    type=FilePath(allow_dash=True),
)  # fmt: skip
@click.option("--template", default=None, metavar="TEMPLATE", help="Start from a template: `kgents templates list`.")
@click.option("--describe", default=None, metavar="TEXT", help="Have a model draft it from a sentence; - reads it.")
@click.option("--name", default=None, metavar="NAME", help="The agent's name, with --template or --describe.")
@click.option(
    "--organisation", default=None, metavar="SLUG", type=Slug(), help="Make it an agent of this organisation."
)
@click.option(
    "--require-tests", "tests", multiple=True, metavar="FILE", type=FilePath(),
    help="Send nothing unless these scenarios pass; may be given more than once.",
)  # fmt: skip
@click.option("--flow", is_flag=True, help="With --describe: draft a simple flow of Langflow instead of a definition.")
@click.option("--draft", is_flag=True, help="Store it without publishing; so does --describe.")
@click.option("--publish", is_flag=True, help="With --describe: publish it, unless a scenario of its draft fails.")
@click.option(
    "--out", default=None, metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
    help="With --describe: write the definition there, and its scenarios beside it.",
)  # fmt: skip
@click.option("--provider", default=None, metavar="NAME", help="With --describe: the model's provider.")
@click.option("--model", default=None, metavar="NAME", help="With --describe: the model that drafts it and answers.")
@click.option("--credential", default=None, metavar="REF", help="With --describe: whose account pays, as cred_….")
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
    describe: str | None,
    name: str | None,
    organisation: str | None,
    tests: tuple[Path, ...],
    **given: Any,
) -> None:
    """Make or update an agent from a TOML file or a template, publish it, wait until it answers.

    The least that the file holds is `name` and `system_prompt`. JSON of the same fields is taken as well, and a flow
    that Langflow exported. A template makes new agents only. What a model drafts from --describe is
    checked, tried and shown, and stays a draft for you to read, unless you say --publish.

    \b
    Examples:
      kgents create --config my-agent.toml
      kgents create --config my-agent.toml --draft
      kgents create --config langflow-export.json
      kgents create --config my-agent.toml --organisation acme
      kgents create --config my-agent.toml --require-tests my-agent.scenarios.toml
      kgents create --template chatbot --name my-bot
      kgents create --describe "It answers questions on our opening hours" --out desk.toml
      kgents create --describe "It explains a word in one sentence" --flow --out words.json
      printf 'name = "a"\\nsystem_prompt = "Be brief."\\n' | kgents create --config -
    """
    if sum(source is not None for source in (config, template, describe)) != 1:
        raise click.UsageError("name one of --config FILE, --template TEMPLATE and --describe TEXT")
    if name is not None and config is not None:
        raise click.UsageError("--name goes with --template and --describe: a file says its agent's name itself")
    if tests and config is None:
        raise click.UsageError("--require-tests goes with --config: a template comes tested, a draft is tried")
    if describe is None and (beside := [option for option in _OF_DESCRIPTION if given[option]]):
        raise click.UsageError(f"--{beside[0]} goes with --describe")
    if given["publish"] and given["draft"]:
        raise click.UsageError("--draft and --publish say opposite things: name one of them")
    from kgents_cli.publishing import Delivery, create_from_file

    delivery = Delivery(organisation, draft=given["draft"], timeout_s=given["timeout"], as_json=given["as_json"])
    if config is not None:
        create_from_file(config, delivery, tests)
    elif template is not None:
        from kgents_cli.templates import create_from_template

        create_from_template(template, name, delivery)
    elif describe is not None:
        from kgents_cli.describing import Description, create_from_description

        chosen = {"provider": given["provider"], "model": given["model"], "credential_ref": given["credential"]}
        llm = {field: value for field, value in chosen.items() if value is not None}
        wanted = Description(describe, name, llm, given["out"], is_flow=given["flow"])
        create_from_description(wanted, delivery, publish=given["publish"])
