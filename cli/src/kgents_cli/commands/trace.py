"""`kgents trace`."""

from typing import Any

import click

_KINDS = ("run", "queue", "step", "model_call", "tool_call", "context", "incident")


@click.command()
@click.argument("run")
@click.option("--kind", type=click.Choice(_KINDS), multiple=True, help="Parts of this kind alone; more than once.")
@click.option("--find", "q", metavar="TEXT", help="Parts with this text in them alone.")
@click.option("--slower-than", "slower_than_ms", metavar="MS", type=click.FloatRange(min=0), help="Slow parts alone.")
@click.option("--prompts", is_flag=True, help="Also what was sent to models.")
@click.option("--full", is_flag=True, help="Texts whole: in what was sent, or with --json.")
@click.option("--follow", is_flag=True, help="Tell each part once it has ended, until the run has.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; with --follow a line for each part.")
def command(run: str, *, prompts: bool, full: bool, follow: bool, as_json: bool, **filters: Any) -> None:
    """Show what happened in a run: its steps, calls of models and tools, and decisions.

    RUN is the id that `kgents message --json` tells. Runs of agents that it asked stand below the call that asked. Each
    part has its time, and a bar that says when it was. What looks like a secret is shown as ***.

    \b
    Examples:
      kgents trace 0199c0de-0000-7000-8000-000000000000
      kgents trace 0199c0de-0000-7000-8000-000000000000 --kind tool_call --find weather
      kgents trace 0199c0de-0000-7000-8000-000000000000 --slower-than 500
      kgents trace 0199c0de-0000-7000-8000-000000000000 --prompts
    """
    from kgents_cli.tracing import show_trace

    query = {name: value for name, value in filters.items() if value not in (None, ())}
    if full:
        query["most_chars"] = 1_000_000
    show_trace(run, query, follow=follow, prompts=prompts, as_json=as_json)
