"""`kgents replay`."""

import click

from kgents_cli.parameters import PROVIDERS


@click.command()
@click.argument("run")
@click.option("--version", type=click.IntRange(min=1), help="The version that is to answer.")
@click.option("--provider", metavar="NAME", type=PROVIDERS, help="The provider whose model is to answer.")
@click.option("--model", metavar="NAME", help="The model that is to answer.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(run: str, *, as_json: bool, **asked: str | int | None) -> None:
    """Repeat a run against another version or model, and say what is different then.

    The question is asked in a conversation of its own, which stands where the run's stood. No tool is called: a call
    that the run made gets the result that it got, any other one is told that it is not replayed.

    \b
    Examples:
      kgents replay 0199c0de-0000-7000-8000-000000000000 --version 4
      kgents replay 0199c0de-0000-7000-8000-000000000000 --provider anthropic --model claude-sonnet-4-5
    """
    from kgents_cli.replaying import replay

    replay(run, {name: value for name, value in asked.items() if value is not None}, as_json=as_json)
