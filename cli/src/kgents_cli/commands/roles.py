"""`kgents roles list|permissions|create|delete|grant|revoke`."""

import json

import click

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_ROLES = "/admin/roles"
_ASSIGNMENTS = "/admin/assignments"


@click.group()
def command() -> None:
    """List, make, delete, grant and revoke roles (administrators).

    \b
    Examples:
      kgents roles list
      kgents roles create auditor --permission agents:read --permission runs:read
      kgents roles grant auditor ada@example.org
    """


@command.command(name="list")
@_JSON
def list_roles(as_json: bool) -> None:
    """List roles and what they bring.

    \b
    Examples:
      kgents roles list
    """
    from kgents_cli.listing import show_list

    show_list(
        _ROLES,
        {
            "role": lambda role: role["name"],
            "made by": lambda role: "kgents" if role["seeded"] else "you",
            "permissions": lambda role: " ".join(role["permissions"]),
        },
        none_yet="No roles yet.",
        as_json=as_json,
    )


@command.command()
@_JSON
def permissions(as_json: bool) -> None:
    """List every permission that a role can bring.

    \b
    Examples:
      kgents roles permissions
    """
    from kgents_cli.listing import show_list

    show_list(
        "/admin/permissions",
        {"permission": lambda row: row["scope"], "lets somebody": lambda row: row["description"]},
        none_yet="No permissions yet.",
        as_json=as_json,
    )


@command.command()
@click.argument("name")
@click.option(
    "--permission", "wanted", multiple=True, required=True, metavar="SCOPE", help="What it brings; repeat it."
)
@click.option("--description", default="", metavar="TEXT", help="What it is for.")
@_JSON
def create(name: str, wanted: tuple[str, ...], description: str, as_json: bool) -> None:
    """Make a role out of permissions that you have yourself.

    \b
    Examples:
      kgents roles create auditor --permission agents:read --permission runs:read --description "Looks, never touches"
    """
    from kgents_cli.client import ApiClient

    with ApiClient() as api:
        made = api.call("POST", _ROLES, body={"name": name, "permissions": list(wanted), "description": description})
    click.echo(
        json.dumps(made) if as_json else f"The role {name} is made; give it with: kgents roles grant {name} ADDRESS"
    )


@command.command()
@click.argument("name")
def delete(name: str) -> None:
    """Delete a role that nobody has.

    \b
    Examples:
      kgents roles delete auditor
    """
    from kgents_cli.client import ApiClient, path_below

    with ApiClient() as api:
        api.call("DELETE", path_below(_ROLES, name))
    click.echo(f"The role {name} is deleted.")


@command.command()
@click.argument("role")
@click.argument("person", metavar="ADDRESS|ID")
def grant(role: str, person: str) -> None:
    """Give a person a role. Their tokens are refused within a second; the next ones say more.

    \b
    Examples:
      kgents roles grant auditor ada@example.org
    """
    from kgents_cli.client import ApiClient
    from kgents_cli.people import person_id

    with ApiClient() as api:
        api.call("POST", _ASSIGNMENTS, body={"role": role, "user_id": person_id(api, person)})
    click.echo(f"{person} has the role {role}.")


@command.command()
@click.argument("role")
@click.argument("person", metavar="ADDRESS|ID")
def revoke(role: str, person: str) -> None:
    """Take a role away from a person. Their tokens are refused within a second.

    \b
    Examples:
      kgents roles revoke auditor ada@example.org
    """
    from kgents_cli.client import ApiClient
    from kgents_cli.people import person_id

    with ApiClient() as api:
        api.call("DELETE", _ASSIGNMENTS, params={"role": role, "user_id": person_id(api, person)})
    click.echo(f"{person} doesn't have the role {role} any more.")
