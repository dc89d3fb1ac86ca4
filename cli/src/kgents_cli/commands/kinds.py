"""`kgents kinds ghosts|models|shells|bots|teams …`: list, get, create, update, delete, publish, import."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from kgents_cli.parameters import FilePath, Slug, named_options

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_ORGANISATION = click.option("--organisation", default=None, metavar="SLUG", type=Slug(), help="Of this organisation.")
_FILE = FilePath(allow_dash=True)
Decorator = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind as its commands show it: what it is, the options that set its fields, and an example of them."""

    name: str
    is_what: str
    options: Sequence[Decorator]
    example: str
    change: str

    @property
    def plural(self) -> str:
        return f"{self.name}s"


_KINDS = (
    _Kind(
        "ghost",
        "A ghost is who an agent is: its system prompt.",
        (
            click.option("--prompt", "system_prompt", metavar="TEXT", help="The system prompt."),
            click.option(
                "--prompt-file",
                type=_FILE,
                metavar="FILE",
                help="The system prompt, from a file; - reads standard input.",
            ),
            click.option("--description", metavar="TEXT", help="What it is for, for people."),
        ),
        'helper --prompt "Answer briefly."',
        "helper --prompt-file helper.md",
    ),
    _Kind(
        "model",
        "A model is which language model answers, and whose account is asked.",
        (
            click.option("--provider", metavar="NAME", help="Who answers: openai, anthropic, google, ollama, echo, …"),
            click.option("--model", "model_name", metavar="NAME", help="The model, as the provider calls it."),
            click.option("--temperature", type=float, help="0 for the likeliest words, up to 2 for varied ones."),
            click.option("--max-tokens", type=int, help="The most that one answer may have."),
            click.option("--api-key-ref", metavar="cred_…", help="A credential's reference; never a key."),
        ),
        "careful --provider openai --model gpt-4.1 --temperature 0",
        "careful --model gpt-5",
    ),
    _Kind(
        "shell",
        "A shell is what executes an agent, and what it may use.",
        (
            click.option("--type", metavar="TYPE", help="Chat (the platform's own worker), Langflow or Remote."),
            click.option("--config", type=_FILE, metavar="FILE", help="Its settings, as TOML or in a .json file."),
        ),
        "with-time --config shell.toml",
        "with-time --config shell.toml",
    ),
    _Kind(
        "bot",
        "A bot is a ghost, a model and a shell: what can be published as an agent.",
        (
            click.option("--ghost", metavar="NAME", help="Its ghost, by name or id."),
            click.option("--model", metavar="NAME", help="Its model, by name or id."),
            click.option("--shell", metavar="NAME", help="Its shell, by name or id."),
        ),
        "desk --ghost helper --model careful --shell with-time",
        "desk --model quick",
    ),
    _Kind(
        "team",
        "A team is bots that answer together; with it its bots are published, each as an agent.",
        (
            click.option("--mode", type=click.Choice(("pipeline", "route", "coordinate")), help="How they do."),
            click.option("--bot", "bots", multiple=True, metavar="NAME[:ROLE]", help="A member; repeat it."),
        ),
        "front --bot desk:answers",
        "front --bot desk --bot clerk:files --mode route",
    ),
)


@click.group()
def command() -> None:
    """Make agents of parts: ghosts, models, shells, bots and teams.

    A bot refers to a ghost (its system prompt), a model and a shell; a team to bots. Bots and teams are published as
    agents of their names. A part that something refers to can't be deleted.

    \b
    Examples:
      kgents kinds ghosts create helper --prompt "Answer briefly."
      kgents kinds models create plain
      kgents kinds shells create plain
      kgents kinds bots create desk --ghost helper --model plain --shell plain
      kgents kinds bots publish desk
      kgents kinds bots import my-agent.toml
    """


def _group(kind: _Kind) -> click.Group:
    """The commands of one kind."""

    @click.group(
        name=kind.plural, help=_help(f"List, read, make, change and delete {kind.plural}. {kind.is_what}", kind, "list")
    )
    def group() -> None:
        pass

    group.add_command(_list(kind))
    group.add_command(_get(kind))
    group.add_command(_create(kind))
    group.add_command(_update(kind))
    group.add_command(_delete(kind))
    if kind.name in {"bot", "team"}:
        group.add_command(_publish(kind))
    if kind.name == "bot":
        group.add_command(import_)
    return group


def _help(text: str, kind: _Kind, *examples: str) -> str:
    lines = "\n".join(f"  kgents kinds {kind.plural} {example}" for example in examples)
    return f"{text}\n\n\b\nExamples:\n{lines}"


def _list(kind: _Kind) -> click.Command:
    text = f"List your {kind.plural}, and those of your organisations as `organisation~name`."

    @click.command(name="list", help=_help(text, kind, "list", "list --organisation acme --json"))
    @_ORGANISATION
    @_JSON
    def list_(organisation: str | None, as_json: bool) -> None:
        from kgents_cli.kinds import Kind, list_things

        list_things(Kind(kind.name), organisation, as_json)

    return list_


def _get(kind: _Kind) -> click.Command:
    @click.command(name="get", help=_help(f"Show one {kind.name} with what it refers to.", kind, "get NAME --json"))
    @click.argument("name")
    @_JSON
    def get(name: str, as_json: bool) -> None:
        from kgents_cli.kinds import Kind, show_thing

        show_thing(Kind(kind.name), name, as_json)

    return get


def _create(kind: _Kind) -> click.Command:
    @click.command(name="create", help=_help(f"Make a {kind.name}. {kind.is_what}", kind, f"create {kind.example}"))
    @click.argument("name")
    @_with(kind.options)
    @_ORGANISATION
    @_JSON
    def create(name: str, organisation: str | None, as_json: bool, **given: Any) -> None:
        from kgents_cli.kinds import Kind, create_thing

        create_thing(Kind(kind.name), name, named_options(given), organisation, as_json)

    return create


def _update(kind: _Kind) -> click.Command:
    text = f"Change a {kind.name}; what you don't name stays. What was published of it goes on until you publish again."

    @click.command(name="update", help=_help(text, kind, f"update {kind.change}"))
    @click.argument("reference", metavar="NAME")
    @click.option("--name", metavar="NAME", help="Another name.")
    @_with(kind.options)
    @_JSON
    def update(reference: str, as_json: bool, **given: Any) -> None:
        from kgents_cli.kinds import Kind, update_thing

        update_thing(Kind(kind.name), reference, named_options(given), as_json)

    return update


def _delete(kind: _Kind) -> click.Command:
    text = f"Delete a {kind.name} that nothing refers to. Agents that were published of it stay."

    @click.command(name="delete", help=_help(text, kind, "delete NAME", "delete NAME --yes"))
    @click.argument("name")
    @click.option("--yes", "-y", is_flag=True, help="Do not ask.")
    def delete(name: str, yes: bool) -> None:
        from kgents_cli.kinds import Kind, delete_thing

        delete_thing(Kind(kind.name), name, yes)

    return delete


def _publish(kind: _Kind) -> click.Command:
    text = f"Publish a {kind.name} as the agent of its name and wait until that answers."

    @click.command(name="publish", help=_help(text, kind, f"publish {kind.example.split()[0]}"))
    @click.argument("name")
    @click.option(
        "--timeout",
        default=60.0,
        show_default=True,
        metavar="SECONDS",
        help="How long to wait until it answers.",
        type=click.FloatRange(min=0),
    )
    @_JSON
    def publish(name: str, timeout: float, as_json: bool) -> None:
        from kgents_cli.kinds import Kind, publish_thing

        publish_thing(Kind(kind.name), name, timeout, as_json)

    return publish


def _with(options: Sequence[Decorator]) -> Decorator:
    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


@click.command(name="import")
@click.argument("config", metavar="FILE", type=_FILE)
@_ORGANISATION
@_JSON
def import_(config: Path, organisation: str | None, as_json: bool) -> None:
    """Take an agent's TOML file apart: a bot that makes the same agent, with a ghost, a model and a shell of its name.

    \b
    Examples:
      kgents kinds bots import my-agent.toml
    """
    from kgents_cli.kinds import import_bot

    import_bot(config, organisation, as_json)


for _kind in _KINDS:
    command.add_command(_group(_kind))
