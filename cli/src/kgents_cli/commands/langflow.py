"""`kgents langflow install|component`."""

import sys

import click


@click.group()
def command() -> None:
    """Install what flows of Langflow run on, and take the platform's tools to Langflow.

    \b
    Examples:
      kgents langflow install
      kgents langflow component > kgents_tools.py
    """


@command.command()
@click.option("--check", is_flag=True, help="Only say whether it is installed; exit code 1 if not.")
def install(check: bool) -> int:
    """Install what flows run on, in an environment of its own, from hash-pinned packages.

    It needs about 700 MB in KGENTS_HOME. A server that runs takes it with the first flow that is published; one that
    runs flows already, when it is started again.

    \b
    Examples:
      kgents langflow install
      kgents langflow install --check
    """
    from kgents_cli.home import Home, require_checkout
    from kgents_cli.langflow import LangflowEnvironment, langflow_folder
    from kgents_cli.processes import find_server
    from kgents_cli.terminal import progress

    home = Home.from_environment()
    wanted = LangflowEnvironment(require_checkout("langflow install"), langflow_folder(home))
    if check:
        state = "is installed" if wanted.is_current else "is outdated" if wanted.is_outdated else "is not installed"
        click.echo(f"What flows run on {state} in {wanted.folder}.")
        return 0 if wanted.is_current else 1
    with progress("looking at what is installed") as shown:
        anew = wanted.install(shown.update)
    if find_server(home) is None:
        wanted.remove_others()
    click.echo(f"What flows run on is installed{'' if anew else ' already'} in {wanted.folder}.")
    return 0


@command.command()
def component() -> None:
    """Print the component Kgents Tools: in Langflow, add it as a custom component, and hand its tools to an Agent.

    Published here, the agent calls the tools of the registry that its definition allows.

    \b
    Examples:
      kgents langflow component > kgents_tools.py
    """
    from kgents_shared.definitions.flows.catalogue import tools_component

    sys.stdout.write(tools_component())
