"""`kgents chaos`."""

import click


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("pytest_args", nargs=-1, type=click.UNPROCESSED, metavar="[PYTEST_ARGS]...")
def command(pytest_args: tuple[str, ...]) -> int:
    """Run the fault tests at their full counts.

    It takes long; `kgents test` runs them seeded and reduced.

    \b
    Examples:
      kgents chaos
      kgents chaos -k postgres
    """
    from kgents_cli.checks.suite import run_chaos
    from kgents_cli.home import require_checkout

    return run_chaos(require_checkout("chaos"), pytest_args)
