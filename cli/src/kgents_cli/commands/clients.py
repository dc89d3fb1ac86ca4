"""`kgents clients list|show|create|rotate|delete`."""

import json
from typing import Any

import click

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_PATH = "/auth/clients"


@click.group()
def command() -> None:
    """List, make, rotate and delete your applications: machines that get tokens of their own.

    \b
    Examples:
      kgents clients create nightly --scope agents:invoke > secret.txt
      kgents clients rotate app_0199c0de00007000800000000000
      kgents clients list
    """


@command.command(name="list")
@click.option("--all", "everybodys", is_flag=True, help="Everybody's, and the platform's own (administrators).")
@_JSON
def list_clients(everybodys: bool, as_json: bool) -> None:
    """List your applications; their secrets are never shown again.

    \b
    Examples:
      kgents clients list
      kgents clients list --all --json
    """
    from kgents_cli.listing import show_list
    from kgents_cli.tables import day

    show_list(
        "/admin/clients" if everybodys else _PATH,
        {
            "id": lambda client: client["client_id"],
            "name": lambda client: client["name"],
            "made": lambda client: day(client["created_at"]),
            "state": _state,
            "scopes": lambda client: " ".join(client["scopes"]),
        },
        none_yet="No applications yet. Make one with: kgents clients create NAME --scope SCOPE",
        as_json=as_json,
    )


@command.command()
@click.argument("client_id", metavar="ID")
@_JSON
def show(client_id: str, as_json: bool) -> None:
    """Show one application: what it may do, and how it shows who it is.

    \b
    Examples:
      kgents clients show app_0199c0de00007000800000000000
    """
    from kgents_cli.client import ApiClient, path_below
    from kgents_cli.tables import day
    from kgents_cli.terminal import harmless

    with ApiClient() as api:
        found = api.call("GET", path_below(_PATH, client_id))
    if as_json:
        click.echo(json.dumps(found))
        return
    rows = [("name", found["name"]), ("state", _state(found)), ("made", day(found["created_at"]))]
    rows += [("scopes", " ".join(found["scopes"]) or "-"), ("roles", " ".join(found["roles"]) or "-")]
    rows += [("secret", f"{one['id']}, {_until(one)}") for one in found["secrets"]]
    if found["jwks"] is not None:
        rows.append(("signs with", ", ".join(_key(key) for key in found["jwks"]["keys"])))
    for name, value in rows:
        click.echo(harmless(f"{name:<11}{value}"))


@command.command()
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, metavar="SCOPE", help="What it may do; repeat it.")
@click.option(
    "--jwks",
    type=click.File("rb"),
    metavar="FILE",
    help="Its public keys (a JSON Web Key set), to sign with instead.",
)
@_JSON
def create(name: str, scopes: tuple[str, ...], jwks: Any, as_json: bool) -> None:
    """Make an application and print its secret, this once.

    Standard output is the secret alone, so that it can be sent where it belongs; with --jwks it is the id.

    \b
    Examples:
      kgents clients create nightly --scope agents:invoke --scope runs:read > secret.txt
      kgents clients create signer --scope agents:read --jwks public-keys.json
    """
    from kgents_cli.client import ApiClient
    from kgents_cli.terminal import harmless

    body: dict[str, Any] = {"name": name, "scopes": list(scopes)}
    if jwks is not None:
        body["jwks"] = _key_set(jwks.read())
    with ApiClient() as api:
        made = api.call("POST", _PATH, body=body)
    if as_json:
        click.echo(json.dumps(made))
    elif made["client_secret"] is None:
        click.echo(made["client_id"])
    else:
        click.echo(harmless(f"{made['name']}, id {made['client_id']}; the secret is not shown again:"), err=True)
        click.echo(made["client_secret"])


@command.command()
@click.argument("client_id", metavar="ID")
@click.option(
    "--overlap", default=86_400, show_default=True, type=click.IntRange(min=0), metavar="SECONDS",
    help="How long the secret so far goes on; with 0 it ends at once, with every token that it got.",
)  # fmt: skip
@_JSON
def rotate(client_id: str, overlap: int, as_json: bool) -> None:
    """Give an application a new secret and print it, this once.

    The secret so far goes on for the overlap, so that nothing stands still while copies are changed.

    \b
    Examples:
      kgents clients rotate app_0199c0de00007000800000000000 > secret.txt
      kgents clients rotate app_0199c0de00007000800000000000 --overlap 0
    """
    from kgents_cli.client import ApiClient, path_below

    with ApiClient() as api:
        made = api.call("POST", path_below(_PATH, client_id, "secrets"), body={"overlap": overlap})
    if as_json:
        click.echo(json.dumps(made))
        return
    old = f"the old one goes on for {overlap} s" if overlap else "the old one is refused"
    click.echo(f"{client_id} has a new secret, {old}; it is not shown again:", err=True)
    click.echo(made["client_secret"])


@command.command()
@click.argument("client_id", metavar="ID")
@click.option("--secret", "secret_id", metavar="ID", help="Only this secret of it.")
def delete(client_id: str, secret_id: str | None) -> None:
    """Delete an application, or one secret of it; its tokens are refused everywhere within a second.

    \b
    Examples:
      kgents clients delete app_0199c0de00007000800000000000
      kgents clients delete app_0199c0de00007000800000000000 --secret 0199c0de-0000-7000-8000-000000000000
    """
    from kgents_cli.client import ApiClient, path_below

    below = [client_id] if secret_id is None else [client_id, "secrets", secret_id]
    with ApiClient() as api:
        api.call("DELETE", path_below(_PATH, *below))
    click.echo(f"{client_id if secret_id is None else secret_id} is deleted.")


def _key_set(text: bytes) -> Any:
    from kgents_cli.faults import BadInput

    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput("the keys are no JSON", hint='a key set looks like {"keys": [{"kty": "EC", …}]}') from error


def _state(client: Any) -> str:
    words = ["disabled" if client["disabled"] else "enabled"]
    return ", ".join([*words, *(["acts for people"] if client["may_exchange"] else [])])


def _until(secret: Any) -> str:
    from kgents_cli.tables import day

    return "goes on" if secret["expires_at"] is None else f"until {day(secret['expires_at'])}"


def _key(key: Any) -> str:
    return f"{key.get('crv') or key['kty']} {key.get('kid', '')}".strip()
