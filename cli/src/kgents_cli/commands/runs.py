"""`kgents runs show`."""

import click


@click.group()
def command() -> None:
    """Show what became of a message whose answer was not there at once.

    \b
    Examples:
      kgents runs show 0199c0de-0000-7000-8000-000000000000 --wait
    """


@command.command()
@click.argument("run")
@click.option("--wait", is_flag=True, help="Wait until it has ended.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(run: str, wait: bool, as_json: bool) -> None:
    """Show a run by its id: its answer, or what it waits for.

    \b
    Examples:
      kgents runs show 0199c0de-0000-7000-8000-000000000000
      kgents runs show 0199c0de-0000-7000-8000-000000000000 --wait
    """
    from kgents_cli.runs import show_run

    show_run(run, wait=wait, as_json=as_json)
