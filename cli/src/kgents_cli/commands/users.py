"""`kgents users list|create|disable|enable|export|erase`."""

import json

import click

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_PATH = "/admin/users"


@click.group()
def command() -> None:
    """List, make, disable and enable people (administrators); export or erase what is kept of you.

    \b
    Examples:
      kgents users list
      kgents users create ada@example.org --name Ada < password.txt
      kgents users disable ada@example.org
    """


@command.command(name="list")
@click.option("--role", metavar="ROLE", help="Only those who have this role.")
@click.option("--disabled", is_flag=True, help="Only those who are disabled.")
@_JSON
def list_users(role: str | None, disabled: bool, as_json: bool) -> None:
    """List people, newest first.

    \b
    Examples:
      kgents users list
      kgents users list --role admin --json
    """
    from kgents_cli.listing import show_list
    from kgents_cli.tables import day

    show_list(
        _PATH,
        {
            "id": lambda person: person["id"],
            "address": lambda person: person["email"],
            "state": lambda person: "disabled" if person["disabled"] else "enabled",
            "since": lambda person: day(person["created_at"]),
            "roles": lambda person: " ".join(person["roles"]),
        },
        none_yet="Nobody is like that.",
        as_json=as_json,
        params={**({"role": role} if role else {}), **({"disabled": "true"} if disabled else {})},
    )


@command.command()
@click.argument("address")
@click.option("--name", required=True, metavar="NAME", help="What the person is called.")
@_JSON
def create(address: str, name: str, as_json: bool) -> None:
    """Make a person who can log in at once. The password is asked for, or read from standard input.

    \b
    Examples:
      kgents users create ada@example.org --name Ada
      kgents users create ada@example.org --name "Ada Lovelace" < password.txt
    """
    from kgents_cli.client import ApiClient
    from kgents_cli.secret_input import ask_secret

    with ApiClient() as api:
        body = {"email": address, "name": name, "password": ask_secret("Password", confirm=True)}
        made = api.call("POST", _PATH, body=body)
    click.echo(json.dumps(made) if as_json else f"{made['email']} can log in; id {made['id']}.")


@command.command()
@click.argument("person", metavar="ADDRESS|ID")
def disable(person: str) -> None:
    """Disable a person: refused everywhere within a second, with all that they have.

    \b
    Examples:
      kgents users disable ada@example.org
    """
    _switch(person, disabled=True)


@command.command()
@click.argument("person", metavar="ADDRESS|ID")
def enable(person: str) -> None:
    """Let a disabled person in again.

    \b
    Examples:
      kgents users enable ada@example.org
    """
    _switch(person, disabled=False)


def _switch(person: str, *, disabled: bool) -> None:
    from kgents_cli.client import ApiClient, path_below
    from kgents_cli.people import person_id

    with ApiClient() as api:
        changed = api.call("PATCH", path_below(_PATH, person_id(api, person)), body={"disabled": disabled})
    click.echo(f"{changed['email']} is {'disabled' if disabled else 'enabled'}.")


@command.command()
@click.option("--out", required=True, metavar="FILE", help="Where to write it; - is standard output.")
def export(out: str) -> None:
    """Write everything that the platform keeps of you, as lines of JSON. Secrets are not in it.

    \b
    Examples:
      kgents users export --out me.jsonl
    """
    from kgents_cli.personal_data import export_mine

    export_mine(out)


@command.command()
@click.option("--confirm", metavar="ADDRESS", help="Your address, rather than being asked for it.")
def erase(confirm: str | None) -> None:
    """Have everything that the platform keeps of you erased, and your account closed. This can't be undone.

    \b
    Examples:
      kgents users erase
      kgents users erase --confirm ada@example.org
    """
    from kgents_cli.personal_data import erase_me

    erase_me(confirm)
