"""`kgents profiles list|get|create|update|delete|attest|attestations|revoke`."""

from typing import Any

import click

from kgents_cli.parameters import Slug

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_TYPES = ("identity", "capability", "evaluation", "compliance")


@click.group()
def command() -> None:
    """Say what agents can do, attest it so that anybody can verify it, and revoke that.

    A profile says what an agent can do, an attestation who vouches for that. Whoever holds one verifies its signature
    with the server's /.well-known/jwks.json, and asks the address in its `status` whether it still stands.

    \b
    Examples:
      kgents profiles create desk --agent desk --capability booking
      kgents profiles attest desk --type capability --capability booking --statement "Tested with 200 bookings."
      kgents profiles attestations desk
    """


@command.command(name="list")
@_JSON
def list_profiles(as_json: bool) -> None:
    """List your profiles, and those of your organisations as `organisation~name`.

    \b
    Examples:
      kgents profiles list
    """
    from kgents_cli.profiles import list_profiles as run

    run(as_json=as_json)


@command.command()
@click.argument("name")
@_JSON
def get(name: str, as_json: bool) -> None:
    """Show one profile with its agent, and which of its capabilities are attested.

    \b
    Examples:
      kgents profiles get desk
    """
    from kgents_cli.profiles import show_profile

    show_profile(name, as_json=as_json)


@command.command()
@click.argument("name")
@click.option("--agent", required=True, metavar="NAME", help="The agent that it is of, by name or id.")
@click.option("--description", metavar="TEXT", help="What the agent is for, for people.")
@click.option("--capability", "capabilities", multiple=True, metavar="NAME", help="What it can do; repeat it.")
@click.option("--organisation", metavar="SLUG", type=Slug(), help="Of this organisation.")
@_JSON
def create(name: str, organisation: str | None, as_json: bool, **given: Any) -> None:
    """Make a profile of an agent.

    \b
    Examples:
      kgents profiles create desk --agent desk --capability booking --capability refunds
    """
    from kgents_cli.profiles import create_profile

    create_profile(name, given, organisation, as_json=as_json)


@command.command()
@click.argument("name")
@click.option("--agent", metavar="NAME", help="Another agent, by name or id.")
@click.option("--description", metavar="TEXT", help="What the agent is for, for people.")
@click.option("--capability", "capabilities", multiple=True, metavar="NAME", help="All that it can do; repeat it.")
@_JSON
def update(name: str, as_json: bool, **given: Any) -> None:
    """Change a profile; what you don't name stays, and so does what was attested.

    \b
    Examples:
      kgents profiles update desk --description "At the door."
    """
    from kgents_cli.profiles import update_profile

    update_profile(name, given, as_json=as_json)


@command.command()
@click.argument("name")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def delete(name: str, yes: bool) -> None:
    """Delete a profile that nobody vouches for any more.

    \b
    Examples:
      kgents profiles delete desk --yes
    """
    from kgents_cli.profiles import delete_profile

    delete_profile(name, yes=yes)


@command.command()
@click.argument("name")
@click.option("--type", "kind", required=True, type=click.Choice(_TYPES), help="What kind of statement it is.")
@click.option("--statement", required=True, metavar="TEXT", help="What you say of the agent.")
@click.option("--capability", "capabilities", multiple=True, metavar="NAME", help="One that it is about; repeat it.")
@click.option("--evidence", metavar="URL", help="Where the evidence is.")
@click.option("--days", type=click.IntRange(1, 365), default=90, show_default=True, help="How long it is valid.")
@click.option(
    "--organisation", metavar="SLUG", type=Slug(), help="In the name of this organisation, rather than your own."
)
@_JSON
def attest(name: str, organisation: str | None, as_json: bool, **given: Any) -> None:
    """Sign a statement about a profile's agent as it stands now, and print the signed text (a JWS).

    \b
    Examples:
      kgents profiles attest desk --type identity --statement "This agent is ours." --organisation acme
      kgents profiles attest desk --type evaluation --statement "Passed all scenarios." > desk.jws
    """
    from kgents_cli.profiles import attest_profile

    attest_profile(name, given, organisation, as_json=as_json)


@command.command()
@click.argument("name")
@_JSON
def attestations(name: str, as_json: bool) -> None:
    """List a profile's attestations, newest first.

    \b
    Examples:
      kgents profiles attestations desk
    """
    from kgents_cli.profiles import list_attestations

    list_attestations(name, as_json=as_json)


@command.command()
@click.argument("name")
@click.argument("attestation")
@click.option("--reason", metavar="TEXT", help="Why, for those who see the profile.")
@_JSON
def revoke(name: str, attestation: str, reason: str | None, as_json: bool) -> None:
    """End the ATTESTATION (its id) of the profile NAME before its time, for good.

    \b
    Examples:
      kgents profiles revoke desk 0199c0de-0000-7000-8000-000000000000 --reason "The test was wrong."
    """
    from kgents_cli.profiles import revoke_attestation

    revoke_attestation(name, attestation, reason, as_json=as_json)
