"""`kgents lint`."""

import click


@click.command()
@click.argument("names", nargs=-1, metavar="[CHECK]...")
@click.option("--fix", is_flag=True, help="Let ruff mend and format what it can first.")
def command(names: tuple[str, ...], fix: bool) -> int:
    """Check style, types, imports, migrations, generated pages and lock files.

    All of it, or the CHECKs that are named: ruff, format, types, imports, locks, migrations,
    references (the pages that are made of the sources).

    \b
    Examples:
      kgents lint
      kgents lint types imports
      kgents lint --fix ruff
    """
    from kgents_cli.checks.lint import run_lint
    from kgents_cli.home import require_checkout

    return run_lint(require_checkout("lint"), names, fix=fix)
