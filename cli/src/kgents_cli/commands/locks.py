"""`kgents locks`."""

import click


@click.command()
@click.option("--check", is_flag=True, help="Only say whether they are current; exit code 1 if not.")
@click.option("--upgrade", is_flag=True, help="Take the newest versions that the members allow.")
def command(check: bool, upgrade: bool) -> int:
    """Make the lock files anew from what the members ask for.

    Without --upgrade, what is locked already keeps its version.

    \b
    Examples:
      kgents locks
      kgents locks --check
      kgents locks --upgrade
    """
    from kgents_cli.home import require_checkout
    from kgents_cli.locks import run

    return run(require_checkout("locks"), check=check, upgrade=upgrade)
