"""`kgents chaos`."""

import click


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--minutes", type=click.FloatRange(min=0.1), help="Kill for so long, rather than 200 times each kind.")
@click.option("--seed", type=int, help="Another order of faults; the one of a run is told with its result.")
@click.argument("pytest_args", nargs=-1, type=click.UNPROCESSED, metavar="[PYTEST_ARGS]...")
def command(minutes: float | None, seed: int | None, pytest_args: tuple[str, ...]) -> int:
    """Run the fault tests at their full counts, or for some minutes.

    It takes long; `kgents test` runs them seeded and reduced.

    \b
    Examples:
      kgents chaos
      kgents chaos --minutes 60
      kgents chaos --minutes 5 --seed 7
      kgents chaos -k nothing_acknowledged
    """
    from kgents_cli.checks.suite import run_chaos
    from kgents_cli.home import require_checkout

    return run_chaos(require_checkout("chaos"), pytest_args, minutes=minutes, seed=seed)
