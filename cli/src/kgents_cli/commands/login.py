"""`kgents login`."""

import click


@click.command()
@click.option("--email", metavar="ADDRESS", help="Your address; asked for where it is left out.")
@click.option("--url", metavar="URL", help="The server; KGENTS_URL or this machine's own where it is left out.")
def command(email: str | None, url: str | None) -> None:
    """Log in to a server as a person and keep the session.

    The password is asked for, or read from standard input. From then on every command acts as you, until
    `kgents logout`; before, commands on the server's own machine act as its administrator.

    \b
    Examples:
      kgents login --email ada@example.org
      kgents login --url https://kgents.example.org --email ada@example.org < password.txt
    """
    import sys

    from kgents_cli.client import is_address, server_url
    from kgents_cli.faults import BadInput
    from kgents_cli.home import Home
    from kgents_cli.secret_input import ask_secret
    from kgents_cli.session import keep_session
    from kgents_cli.tokens import log_in

    home = Home.from_environment()
    if url is not None and not is_address(url):
        raise BadInput(f"--url is no address: {url}", hint="write it as http://127.0.0.1:8080")
    address = (url or server_url(home)).rstrip("/")
    if email is None:
        if not sys.stdin.isatty():
            raise BadInput("whose session?", hint="say it: kgents login --email ADDRESS")
        email = str(click.prompt("Address", err=True))
    keep_session(home, log_in(address, email, ask_secret("Password")))
    click.echo(f"Logged in to {address} as {email}.")
