"""`kgents man`."""

from pathlib import Path

import click

from kgents_cli.parameters import FilePath


@click.command()
@click.option(
    "--directory", default="man", show_default=True, metavar="FOLDER", type=FilePath(),
    help="Where to write them; in man1/ below it.",
)  # fmt: skip
def command(directory: Path) -> None:
    """Write the manual pages.

    One for each command, from the same text as --help.

    \b
    Examples:
      kgents man --directory ~/.local/share/man
      man -M man kgents
    """
    from kgents_cli.faults import BadInput
    from kgents_cli.manual import write_manual

    try:
        pages = write_manual(directory / "man1")
    except OSError as fault:
        raise BadInput(f"{fault.filename}: {fault.strerror}", hint="name a folder that you can write") from fault
    click.echo(f"{len(pages)} pages in {directory / 'man1'}; read them with: man -M {directory} kgents")
