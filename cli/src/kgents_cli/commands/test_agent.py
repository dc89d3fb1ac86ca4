"""`kgents test-agent`."""

from pathlib import Path

import click

from kgents_cli.parameters import FilePath


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=FilePath())
@click.option(
    "--agent", default=None, metavar="FILE", help="Test this agent instead of the one that the scenarios name.",
    type=FilePath(),
)  # fmt: skip
@click.option("--case", "wanted", default="", metavar="WORDS", help="Only cases with these words in their name.")
@click.option("--real", is_flag=True, help='Run the cases with model = "real" as well: OPENAI_* say how to reach it.')
@click.option(
    "--junit", default=None, metavar="FILE", help="Write a JUnit file too.",
    type=FilePath(dir_okay=False),
)  # fmt: skip
@click.option("--verbose", "-v", is_flag=True, help="Print what was said in every case.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    files: tuple[Path, ...],
    agent: Path | None,
    wanted: str,
    real: bool,
    junit: Path | None,
    verbose: bool,
    as_json: bool,
) -> int:
    """Run an agent's scenarios: messages in, a scripted or a real model, mocked tools, and what must come out.

    No server is needed. The exit code is 0 if no case failed, 1 if one did, 2 if a file can't be used.

    \b
    Examples:
      kgents test-agent my-agent.scenarios.toml
      kgents test-agent my-agent.scenarios.toml --case "opens a ticket" --verbose
      kgents test-agent tests/*.toml --junit report.xml
      kgents agents publish my-agent --require-tests my-agent.scenarios.toml
    """
    from kgents_cli.agent_tests.command import run_scenarios

    return run_scenarios(files, agent, wanted, real=real, junit=junit, verbose=verbose, as_json=as_json)
