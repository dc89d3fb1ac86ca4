"""`kgents budgets list|set|delete`."""

import click

from kgents_cli.parameters import Amount

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def command() -> None:
    """Bound what agents, people and organisations spend on models, and see what is left.

    A budget is never exceeded: a call that needs more than is left is refused before a model is asked.

    \b
    Examples:
      kgents budgets set agent support-desk --per day --max-cost 2.50
      kgents budgets list
    """


@command.command(name="list")
@_JSON
def list_budgets(as_json: bool) -> None:
    """List what bounds you and what you bound, with what is left of each.

    \b
    Examples:
      kgents budgets list
    """
    from kgents_cli.spending import list_budgets as run

    run(as_json=as_json)


@command.command(name="set")
@click.argument("scope", type=click.Choice(("agent", "user", "organisation", "platform")))
@click.argument("subject", required=False)
@click.option(
    "--per", "window", type=click.Choice(("day", "month", "total")), default="day", show_default=True,
    help="How long it is for, before it renews (UTC).",
)  # fmt: skip
@click.option("--max-cost", type=Amount(), help="The most money, such as 2.50.")
@click.option("--max-tokens", metavar="NUMBER", type=click.IntRange(min=1), help="The most tokens.")
@_JSON
def set_budget(
    scope: str, subject: str | None, window: str, max_cost: str | None, max_tokens: int | None, as_json: bool
) -> None:
    """Bound an agent, a user (yourself where none is named), an organisation, or the platform.

    A user's budget, unless it is yours, and the platform's take an administrator.

    \b
    Examples:
      kgents budgets set agent support-desk --max-tokens 200000
      kgents budgets set organisation acme --per month --max-cost 100
    """
    from kgents_cli.spending import set_budget as run

    asked = {"scope": scope, "subject": subject, "window": window, "max_cost": max_cost, "max_tokens": max_tokens}
    run(asked, as_json=as_json)


@command.command()
@click.argument("budget")
def delete(budget: str) -> None:
    """Delete a budget by its id.

    \b
    Examples:
      kgents budgets delete 0199c0de-0000-7000-8000-000000000000
    """
    from kgents_cli.spending import delete_budget

    delete_budget(budget)
