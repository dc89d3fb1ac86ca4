"""`kgents whoami`."""

import json

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> None:
    """Say who the commands act as, and what they may do.

    \b
    Examples:
      kgents whoami
      kgents whoami --json
    """
    from kgents_cli.client import ApiClient
    from kgents_cli.terminal import harmless

    with ApiClient() as api:
        found = api.call("GET", "/users/me")
        url = api.url
    if as_json:
        click.echo(json.dumps(found))
        return
    click.echo(harmless(f"{found['email']} ({found['name']}) at {url}"))
    click.echo(f"id      {found['id']}")
    click.echo(f"roles   {', '.join(found['roles']) or '-'}")
    click.echo(f"scopes  {' '.join(found['scopes']) or '-'}")
