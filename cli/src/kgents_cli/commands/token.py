"""`kgents token`."""

import click


@click.command()
def command() -> None:
    """Print an access token for this machine's server, and nothing else.

    It belongs to the administrator that the first start made, lasts 15 minutes, and is kept until shortly before it
    expires. KGENTS_TOKEN, if set, is printed as it is.

    \b
    Examples:
      kgents token
      curl -H "Authorization: Bearer $(kgents token)" http://127.0.0.1:8080/agents
    """
    from kgents_cli.client import server_url
    from kgents_cli.home import Home
    from kgents_cli.tokens import access_token

    home = Home.from_environment()
    click.echo(access_token(home, server_url(home)))
