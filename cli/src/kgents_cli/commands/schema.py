"""`kgents schema`."""

from pathlib import Path

import click

from kgents_cli.parameters import FilePath


@click.command()
@click.option(
    "--format", "form", type=click.Choice(["json", "markdown"]), default="json", show_default=True,
    help="JSON Schema for editors, or the reference for people.",
)  # fmt: skip
@click.option(
    "--output", type=FilePath(dir_okay=False), default=None, metavar="FILE",
    help="Write it there instead of printing it.",
)  # fmt: skip
def command(form: str, output: Path | None) -> None:
    """Print the JSON Schema of definitions, for editors, or their reference.

    An editor that knows TOML (taplo, Even Better TOML) takes the schema from a file's first line, such as
    `#:schema ./agent.schema.json`. It then completes fields, shows what they mean and marks faults while you write.

    \b
    Examples:
      kgents schema --output agent.schema.json
      kgents schema --format markdown
    """
    import json

    from kgents_shared.definitions.reference import agent_reference
    from kgents_shared.definitions.schema import agent_schema

    text = json.dumps(agent_schema(), indent=2) + "\n" if form == "json" else agent_reference()
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
