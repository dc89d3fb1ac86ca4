"""`kgents usage`."""

import click


@click.command()
@click.option(
    "--by", type=click.Choice(("agent", "user", "model", "day")), default="agent", show_default=True,
    help="One sum for each of these.",
)  # fmt: skip
@click.option("--since", metavar="DAY", help="From this day on (UTC), such as 2026-11-01; 30 days where left out.")
@click.option("--until", metavar="DAY", help="Up to and with this day.")
@click.option("--agent", metavar="NAME", help="This agent's calls alone.")
@click.option("--everybodys", is_flag=True, help="The whole platform's (administrators).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(by: str, since: str | None, until: str | None, agent: str | None, everybodys: bool, as_json: bool) -> None:
    """Sum what models took: calls, tokens and money by agent, user, model or day.

    These are your runs, and everybody's runs of your agents.

    \b
    Examples:
      kgents usage
      kgents usage --by day --agent support-desk
    """
    from kgents_cli.spending import show_usage

    show_usage(
        {"by": by, "since": since, "until": until, "agent": agent, "everybodys": "true" if everybodys else None},
        as_json=as_json,
    )
