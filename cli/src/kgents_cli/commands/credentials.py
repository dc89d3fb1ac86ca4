"""`kgents credentials list|create|rotate|delete`."""

import json

import click

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_PATH = "/credentials"
_TYPES = ("llm_provider", "platform", "exchange", "mcp", "generic")


@click.group()
def command() -> None:
    """List, store, rotate and delete what agents may use but never see.

    Documents name a credential by its reference (cred_…); the secret goes in and never comes out.

    \b
    Examples:
      kgents credentials create openai --type llm_provider < key.txt
      kgents credentials list
    """


@command.command(name="list")
@_JSON
def list_credentials(as_json: bool) -> None:
    """List your credentials: references and names, never secrets.

    \b
    Examples:
      kgents credentials list
    """
    from kgents_cli.listing import show_list
    from kgents_cli.tables import day

    show_list(
        _PATH,
        {
            "reference": lambda kept: kept["credential_ref"],
            "type": lambda kept: kept["type"],
            "made": lambda kept: day(kept["created_at"]),
            "name": lambda kept: kept["name"],
        },
        none_yet="No credentials yet. Store one with: kgents credentials create NAME --type TYPE",
        as_json=as_json,
    )


@command.command()
@click.argument("name")
@click.option("--type", "kind", required=True, type=click.Choice(_TYPES), help="What it opens.")
@click.option("--provider", metavar="NAME", help="Of llm_provider: whose key it is; no other provider is shown it.")
@click.option("--base-url", metavar="URL", help="Of llm_provider: where the provider is, if not where it usually is.")
@_JSON
def create(name: str, kind: str, provider: str | None, base_url: str | None, as_json: bool) -> None:
    """Store a secret and print its reference. The secret is asked for, or read from standard input.

    \b
    Examples:
      kgents credentials create openai --type llm_provider
      kgents credentials create router --type llm_provider --provider openai-compatible --base-url https://llm.example/v1
      kgents credentials create github --type mcp < token.txt
    """
    from kgents_cli.client import ApiClient
    from kgents_cli.secret_input import ask_secret

    place = {name: value for name, value in (("provider", provider), ("base_url", base_url)) if value is not None}
    with ApiClient() as api:
        made = api.call("POST", _PATH, body={"name": name, "type": kind, **place, "secret": ask_secret("Secret")})
    click.echo(json.dumps(made) if as_json else made["credential_ref"])


@command.command()
@click.argument("reference")
@_JSON
def rotate(reference: str, as_json: bool) -> None:
    """Put another secret behind REFERENCE. The secret is asked for, or read from standard input.

    \b
    Examples:
      kgents credentials rotate cred_0199c0de00007000
    """
    from kgents_cli.client import ApiClient, path_below
    from kgents_cli.secret_input import ask_secret

    with ApiClient() as api:
        made = api.call("POST", path_below(_PATH, reference, "rotate"), body={"secret": ask_secret("Secret")})
    click.echo(json.dumps(made) if as_json else f"{reference} has another secret.")


@command.command()
@click.argument("reference")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def delete(reference: str, yes: bool) -> None:
    """Delete the secret behind REFERENCE; what names it can't use it any more.

    \b
    Examples:
      kgents credentials delete cred_0199c0de00007000 --yes
    """
    from kgents_cli.client import ApiClient, path_below
    from kgents_cli.faults import CliError
    from kgents_cli.secret_input import confirmed

    with ApiClient() as api:
        if not yes and not confirmed(f"Delete {reference}?", f"kgents credentials delete {reference} --yes"):
            raise CliError("nothing was deleted")
        api.call("DELETE", path_below(_PATH, reference))
    click.echo(f"{reference} is deleted.")
