"""`kgents test`."""

import click


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--no-lint", is_flag=True, help="Run the tests alone.")
@click.option("--coverage", is_flag=True, help="Measure what the whole suite covers; less than 85 % fails.")
@click.argument("pytest_args", nargs=-1, type=click.UNPROCESSED, metavar="[PYTEST_ARGS]...")
def command(no_lint: bool, coverage: bool, pytest_args: tuple[str, ...]) -> int:
    """Run lint, then every test, as CI does.

    pytest's closing line is the last one, but for the names of tests that failed beside the others and passed alone.
    Measuring coverage takes a quarter longer; a run with PYTEST_ARGS measures nothing and tries nothing again.

    \b
    Examples:
      kgents test
      kgents test --coverage
      kgents test --no-lint cli/tests -k token
    """
    from kgents_cli.checks.suite import run_suite
    from kgents_cli.home import require_checkout

    return run_suite(require_checkout("test"), pytest_args, with_lint=not no_lint, covered=coverage)
