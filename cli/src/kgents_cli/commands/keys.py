"""`kgents keys list|create|delete`."""

import json

import click

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_PATH = "/users/me/api-keys"


@click.group()
def command() -> None:
    """List, make and delete your API keys.

    \b
    Examples:
      kgents keys list
      kgents keys create ci --scope agents:read --scope agents:write --days 90
      kgents keys delete 0199c0de-0000-7000-8000-000000000000
    """


@command.command(name="list")
@_JSON
def list_keys(as_json: bool) -> None:
    """List your API keys; the keys themselves are never shown again.

    \b
    Examples:
      kgents keys list
    """
    from kgents_cli.listing import show_list
    from kgents_cli.tables import day

    show_list(
        _PATH,
        {
            "id": lambda key: key["id"],
            "name": lambda key: key["name"],
            "expires": lambda key: day(key["expires_at"]),
            "last used": lambda key: day(key["last_used_at"]),
            "scopes": lambda key: " ".join(key["scopes"]),
        },
        none_yet="No API keys yet. Make one with: kgents keys create NAME --scope SCOPE",
        as_json=as_json,
    )


@command.command()
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, required=True, metavar="SCOPE", help="What it may do; repeat it.")
@click.option("--days", default=90, show_default=True, type=click.IntRange(min=1), help="How long it lasts.")
@_JSON
def create(name: str, scopes: tuple[str, ...], days: int, as_json: bool) -> None:
    """Make an API key and print it, this once.

    Standard output is the key alone, so that it can be sent where it belongs.

    \b
    Examples:
      kgents keys create ci --scope agents:read --scope agents:write
      kgents keys create laptop --scope agents:invoke --days 7 > key.txt
    """
    from kgents_cli.client import ApiClient
    from kgents_cli.tables import day

    with ApiClient() as api:
        made = api.call("POST", _PATH, body={"name": name, "scopes": list(scopes), "expires_in_days": days})
    if as_json:
        click.echo(json.dumps(made))
        return
    click.echo(f"{made['name']}, id {made['id']}, until {day(made['expires_at'])}; it is not shown again:", err=True)
    click.echo(made["key"])


@command.command()
@click.argument("key_id", metavar="ID")
def delete(key_id: str) -> None:
    """Delete a key; it is refused everywhere within a second.

    \b
    Examples:
      kgents keys delete 0199c0de-0000-7000-8000-000000000000
    """
    from kgents_cli.client import ApiClient, path_below

    with ApiClient() as api:
        api.call("DELETE", path_below(_PATH, key_id))
    click.echo(f"{key_id} is deleted.")
