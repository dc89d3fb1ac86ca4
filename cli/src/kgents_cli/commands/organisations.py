"""`kgents organisations list|create|members|invite|join|leave|remove`."""

import json

import click

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_ORGANISATIONS = "/organisations"


@click.group()
def command() -> None:
    """List and make organisations, and say who is in them: members share agents, tools and credentials.

    \b
    Examples:
      kgents organisations create acme --name "Acme Ltd"
      kgents organisations invite acme 0199f2a1-7c3e-7b1a-9d55-3f3c5f0c8a11
      kgents create --config desk.toml --organisation acme
      kgents message acme~desk "Hello"
    """


@command.command(name="list")
@_JSON
def list_organisations(as_json: bool) -> None:
    """List the organisations that you are in.

    \b
    Examples:
      kgents organisations list
    """
    from kgents_cli.listing import show_list

    show_list(
        _ORGANISATIONS,
        {
            "slug": lambda one: one["slug"],
            "name": lambda one: one["name"],
            "you are": lambda one: one["role"] if one["joined"] else f"invited as {one['role']}",
            "id": lambda one: one["id"],
        },
        none_yet="You are in no organisation; make one with: kgents organisations create SLUG",
        as_json=as_json,
    )


@command.command()
@click.argument("slug")
@click.option("--name", default=None, metavar="TEXT", help="What people read; the slug where it is left out.")
@_JSON
def create(slug: str, name: str | None, as_json: bool) -> None:
    """Make an organisation that you own. SLUG is for ever: lower-case letters, digits and hyphens.

    \b
    Examples:
      kgents organisations create acme --name "Acme Ltd"
    """
    from kgents_cli.client import ApiClient

    with ApiClient() as api:
        made = api.call("POST", _ORGANISATIONS, body={"slug": slug, "name": name or slug})
        api.renew_token()  # the next one opens it
    click.echo(
        json.dumps(made) if as_json else f"{slug} is made; invite somebody with: kgents organisations invite {slug} ID"
    )


@command.command()
@click.argument("organisation")
@_JSON
def members(organisation: str, as_json: bool) -> None:
    """List who is in an organisation, and who is invited.

    \b
    Examples:
      kgents organisations members acme
    """
    from kgents_cli.client import path_below
    from kgents_cli.listing import show_list

    show_list(
        path_below(_ORGANISATIONS, organisation, "members"),
        {
            "id": lambda one: one["user_id"],
            "address": lambda one: one["email"],
            "name": lambda one: one["name"],
            "is": lambda one: one["role"] if one["joined_at"] else f"invited as {one['role']}",
        },
        none_yet="Nobody is in it.",
        as_json=as_json,
    )


@command.command()
@click.argument("organisation")
@click.argument("person", metavar="ID")
@click.option("--owner", is_flag=True, help="As an owner, who may invite others and take them out.")
def invite(organisation: str, person: str, owner: bool) -> None:
    """Invite somebody, or change what they are, by the id that `kgents whoami` shows them.

    \b
    Examples:
      kgents organisations invite acme 0199f2a1-7c3e-7b1a-9d55-3f3c5f0c8a11
      kgents organisations invite acme 0199f2a1-7c3e-7b1a-9d55-3f3c5f0c8a11 --owner
    """
    from kgents_cli.client import ApiClient, path_below

    role = "owner" if owner else "member"
    with ApiClient() as api:
        found = api.call("PUT", path_below(_ORGANISATIONS, organisation, "members", person), body={"role": role})
    what = "an owner" if owner else "a member"
    if found["joined_at"] is None:
        click.echo(f"{person} is invited as {what}; they join with: kgents organisations join {organisation}")
    else:
        click.echo(f"{person} is {what} of {organisation}.")


@command.command()
@click.argument("organisation")
def join(organisation: str) -> None:
    """Take up an invitation; `kgents organisations list` shows them.

    \b
    Examples:
      kgents organisations join acme
    """
    from kgents_cli.client import ApiClient, path_below

    with ApiClient() as api:
        found = api.call("POST", path_below(_ORGANISATIONS, organisation, "join"))
        api.renew_token()  # the next one opens it
    click.echo(f"You are in {found['slug']}; its agents are named {found['slug']}~NAME.")


@command.command()
@click.argument("organisation")
def leave(organisation: str) -> None:
    """Leave an organisation, or decline an invitation.

    \b
    Examples:
      kgents organisations leave acme
    """
    from kgents_cli.client import ApiClient, path_below

    with ApiClient() as api:
        api.call("POST", path_below(_ORGANISATIONS, organisation, "leave"))
    click.echo(f"You are no longer in {organisation}.")


@command.command()
@click.argument("organisation")
@click.argument("person", metavar="ID")
def remove(organisation: str, person: str) -> None:
    """Take somebody out, or an invitation back. What it has is closed to them within a second.

    \b
    Examples:
      kgents organisations remove acme 0199f2a1-7c3e-7b1a-9d55-3f3c5f0c8a11
    """
    from kgents_cli.client import ApiClient, path_below

    with ApiClient() as api:
        api.call("DELETE", path_below(_ORGANISATIONS, organisation, "members", person))
    click.echo(f"{person} is no longer in {organisation}.")
