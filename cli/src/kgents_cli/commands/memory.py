"""`kgents memory list|get|put|search|delete|history|status|install|migrate`."""

from typing import Any

import click

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_YES = click.option("--yes", "-y", is_flag=True, help="Do not ask.")
_SCOPE = click.option(
    "--scope", type=click.Choice(("agent", "user", "conversation", "organisation")),
    help="Which memory; the one of the agent's definition if left out.",
)  # fmt: skip
_CONVERSATION = click.option("--conversation", metavar="ID", help="Whose memory, for the scope conversation.")
_TAGS = click.option("--tag", "tags", metavar="TAG", multiple=True, help="With this tag; may be repeated.")
_SINCE = click.option("--since", metavar="TIME", help="What changed since then (2026-05-04T14:30:00Z).")
_UNTIL = click.option("--until", metavar="TIME", help="What changed before then.")
_AS_OF = click.option("--as-of", metavar="TIME", help="As it was then.")


@click.group()
def command() -> None:
    """Read, change and search what agents remember, and set up how it is found by its meaning.

    \b
    Examples:
      kgents memory put helper favourite_tea green
      kgents memory search helper "something hot to drink"
      kgents memory install
    """


@command.command(name="list")
@click.argument("agent")
@_SCOPE
@click.option("--prefix", metavar="TEXT", help="Keys that begin with this.")
@_TAGS
@_SINCE
@_UNTIL
@_AS_OF
@_JSON
def list_memories(agent: str, as_json: bool, **asked: Any) -> None:
    """List what an agent keeps, newest first.

    \b
    Examples:
      kgents memory list helper
      kgents memory list helper --prefix orders. --as-of 2026-05-04T14:30:00Z
    """
    from kgents_cli.memory import list_memories as run

    run(agent, asked, as_json=as_json)


@command.command()
@click.argument("agent")
@click.argument("key")
@_SCOPE
@_CONVERSATION
@_AS_OF
@_JSON
def get(agent: str, key: str, as_json: bool, **asked: Any) -> None:
    """Print the value that a key has, or had at a time. An id does for a key.

    \b
    Examples:
      kgents memory get helper favourite_tea
    """
    from kgents_cli.memory import get_memory

    get_memory(agent, key, asked, as_json=as_json)


@command.command()
@click.argument("agent")
@click.argument("key")
@_SCOPE
@_CONVERSATION
@_JSON
def history(agent: str, key: str, as_json: bool, **asked: Any) -> None:
    """List the values that a key has and had, newest first.

    \b
    Examples:
      kgents memory history helper favourite_tea
    """
    from kgents_cli.memory import show_history

    show_history(agent, key, asked, as_json=as_json)


@command.command()
@click.argument("agent")
@click.argument("key")
@click.argument("value")
@click.option("--json-value", is_flag=True, help="VALUE is JSON: a number, a list, an object.")
@_TAGS
@_SCOPE
@_CONVERSATION
def put(agent: str, key: str, value: str, json_value: bool, **asked: Any) -> None:
    """Have a key have a value from now on.

    \b
    Examples:
      kgents memory put helper favourite_tea green --tag drinks
      kgents memory put helper limits '{"cups": 2}' --json-value
    """
    from kgents_cli.memory import put_memory

    put_memory(agent, key, value, asked, json_value=json_value)


@command.command()
@click.argument("agent")
@click.argument("query")
@click.option(
    "--mode", type=click.Choice(("hybrid", "semantic", "words")), default="hybrid", show_default=True,
    help="By meaning and words, by meaning alone, or by words alone.",
)  # fmt: skip
@click.option("--limit", type=click.IntRange(1, 50), default=10, show_default=True, help="How many at most.")
@_TAGS
@_SINCE
@_UNTIL
@_SCOPE
@_CONVERSATION
@_JSON
def search(agent: str, query: str, as_json: bool, **asked: Any) -> None:
    """Find what an agent keeps, the best first.

    \b
    Examples:
      kgents memory search helper "something hot to drink"
      kgents memory search helper tea --mode words
    """
    from kgents_cli.memory import search_memory

    search_memory(agent, query, asked, as_json=as_json)


@command.command()
@click.argument("agent")
@click.argument("key")
@_SCOPE
@_YES
def delete(agent: str, key: str, scope: str | None, yes: bool) -> None:
    """Delete what a key has and had. An id does for a key.

    \b
    Examples:
      kgents memory delete helper favourite_tea
    """
    from kgents_cli.memory import delete_memory

    delete_memory(agent, key, scope, yes=yes)


@command.command()
@_JSON
def status(as_json: bool) -> None:
    """Say how memories are found: by which model of embeddings, in which backend, or by words alone.

    \b
    Examples:
      kgents memory status
    """
    from kgents_cli.memory import show_status

    show_status(as_json=as_json)


@command.command()
@click.option("--check", is_flag=True, help="Only say whether it is installed; exit code 1 if not.")
def install(check: bool) -> int:
    """Install the model by which memories are found by their meaning: all-MiniLM-L6-v2, 90 MB, hash-pinned.

    A server takes it when it is started the next time.

    \b
    Examples:
      kgents memory install
      kgents memory install --check
    """
    from kgents_cli.embedding_model import install_model, is_installed, model_folder
    from kgents_cli.home import Home, require_checkout
    from kgents_cli.processes import find_server
    from kgents_cli.terminal import progress

    home, root = Home.from_environment(), require_checkout("memory install")
    folder = model_folder(home)
    if check:
        there = is_installed(root, folder)
        click.echo(f"The model {'is' if there else 'is not'} installed in {folder}.")
        return 0 if there else 1
    with progress("looking at what is installed") as shown:
        anew = install_model(root, folder, shown.update)
    click.echo(f"The model is installed{'' if anew else ' already'} in {folder}.")
    if anew and find_server(home) is not None:
        click.echo("The server takes it when it is restarted: kgents server restart", err=True)
    return 0


@command.command()
@click.option("--from", "source", required=True, type=click.Choice(("postgres", "qdrant")), help="Where vectors are.")
@click.option("--to", "target", required=True, type=click.Choice(("postgres", "qdrant")), help="Where they go.")
@click.option("--resume", metavar="ID", help="Only watch one that was begun before; it goes on by itself.")
@_JSON
def migrate(source: str, target: str, resume: str | None, as_json: bool) -> int:
    """Copy the vectors of all memories from one backend to another (administrators).

    It runs in the server, goes on after a restart, and counts at its end what the target has.

    \b
    Examples:
      kgents memory migrate --from postgres --to qdrant
    """
    from kgents_cli.memory import migrate_memory

    return migrate_memory(source, target, resume, as_json=as_json)
