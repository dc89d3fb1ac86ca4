"""`kgents completion`."""

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print a completion script for your shell.

    \b
    Examples:
      eval "$(kgents completion bash)"                                 for this shell
      kgents completion zsh > "${fpath[1]}/_kgents"
      kgents completion fish > ~/.config/fish/completions/kgents.fish
    """
    from click.shell_completion import get_completion_class

    from kgents_cli.main import cli

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(kind(cli, {}, "kgents", "_KGENTS_COMPLETE").source())
