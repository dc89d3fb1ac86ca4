"""`kgents templates list|show|copy|check`."""

from pathlib import Path

import click

from kgents_cli.parameters import FilePath


@click.group()
def command() -> None:
    """List, show, copy and check templates: agents to start from.

    \b
    Examples:
      kgents templates list
      kgents create --template chatbot --name my-bot
    """


@command.command(name="list")
@click.option("--search", default=None, metavar="WORDS", help="Only those with these words.")
@click.option("--tag", default=None, metavar="TAG", help="Only those with this tag.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_templates(search: str | None, tag: str | None, as_json: bool) -> None:
    """List the server's templates: the built-in ones and those of its own directory.

    \b
    Examples:
      kgents templates list
      kgents templates list --search calendar
      kgents templates list --tag research --json
    """
    from kgents_cli.templates import show_templates

    show_templates(search, tag, as_json=as_json)


@command.command()
@click.argument("template")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the scenarios.")
def show(template: str, as_json: bool) -> None:
    """Show what TEMPLATE is for, how to use it, and its definitions.

    \b
    Examples:
      kgents templates show data-analyzer
      kgents templates show data-analyzer --json
    """
    from kgents_cli.templates import show_template

    show_template(template, as_json=as_json)


@command.command()
@click.argument("template")
@click.option("--name", default=None, metavar="NAME", help="The agent's name; the template's if left out.")
@click.option(
    "--out", default=".", show_default=True, metavar="FOLDER", help="Where the files go.",
    type=FilePath(file_okay=False),
)  # fmt: skip
@click.option("--force", is_flag=True, help="Overwrite files.")
def copy(template: str, name: str | None, out: Path, force: bool) -> None:
    """Write TEMPLATE's definitions and scenarios as files, to change them before they are used.

    \b
    Examples:
      kgents templates copy support-desk --name helpdesk
      kgents templates copy support-desk --name helpdesk --out agents --force
    """
    from kgents_cli.templates import copy_template

    copy_template(template, name, out, force=force)


@command.command()
@click.argument("folders", nargs=-1, required=True, metavar="FOLDER...", type=FilePath())
@click.option("--verbose", "-v", is_flag=True, help="Print what was said in every case.")
def check(folders: tuple[Path, ...], verbose: bool) -> int:
    """Check templates in folders of yours: that they are complete and valid, and that their scenarios pass.

    No server is needed. The exit code is 0 if all is well, 1 if a case failed, 2 if a template can't be used.

    \b
    Examples:
      kgents templates check my-templates/invoice-clerk
      kgents templates check my-templates/*
    """
    from kgents_cli.template_checking import check_templates

    return check_templates(folders, verbose=verbose)
