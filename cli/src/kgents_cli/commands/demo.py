"""`kgents demo`."""

import click


@click.command()
def command() -> None:
    """Show the whole job in one go: server, agent, message, crash, memory.

    It uses a folder and a port of its own and leaves nothing behind. With OPENAI_API_KEY (and OPENAI_BASE_URL for any
    compatible server) in the environment a model answers; without, the built-in echo does, and says so.

    \b
    Examples:
      kgents demo
      OPENAI_API_KEY=sk-… kgents demo
    """
    from kgents_cli.demo import run_demo

    run_demo()
