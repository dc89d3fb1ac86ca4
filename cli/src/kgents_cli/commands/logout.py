"""`kgents logout`."""

import click


@click.command()
def command() -> None:
    """End the session that `kgents login` keeps.

    The server refuses its tokens from then on; the file with them is deleted, even where the server is away.

    \b
    Examples:
      kgents logout
    """
    from kgents_cli.client import ApiClient
    from kgents_cli.faults import CliError
    from kgents_cli.home import Home
    from kgents_cli.session import forget_session, read_session

    home = Home.from_environment()
    session = read_session(home)
    if session is None:
        click.echo("Nobody is logged in.")
        return
    try:
        with ApiClient(home, {"KGENTS_URL": session.url}) as api:
            api.call("POST", "/auth/logout", body={"refresh_token": session.refresh_token})
    except CliError as fault:
        click.echo(f"warning: the server was not told: {fault.message}; its tokens last a while yet", err=True)
    finally:
        forget_session(home)
    click.echo(f"{session.email} is logged out of {session.url}.")
