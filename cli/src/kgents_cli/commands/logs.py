"""`kgents logs`."""

import json

import click


@click.command()
@click.argument("agent")
@click.option(
    "--tail", default=200, show_default=True, help="How many of the last lines.", type=click.IntRange(1, 1000)
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def command(agent: str, tail: int, as_json: bool) -> None:
    """Print what an agent's worker logged.

    \b
    Examples:
      kgents logs my-agent
      kgents logs my-agent --tail 20
    """
    from kgents_cli.client import ApiClient, agent_path
    from kgents_cli.terminal import harmless

    with ApiClient() as api:
        items = api.call("GET", agent_path(agent, "logs"), params={"tail": tail})["items"]
    if as_json:
        click.echo(json.dumps(items))
        return
    for item in items:
        line = item if isinstance(item, str) else item.get("line") or item.get("text") or json.dumps(item)
        click.echo(harmless(str(line)))
