"""Manual pages in man(7)'s macros, made from the commands' own help."""

import inspect
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import click

from kgents_cli.home import require_checkout
from kgents_cli.main import cli

_ENVIRONMENT = {
    "KGENTS_HOME": "Where everything lies; ~/.kgents if unset.",
    "KGENTS_PORT, KGENTS_BIND": "Where the server listens; 8080 and 127.0.0.1 if unset.",
    "KGENTS_URL, KGENTS_TOKEN": "Another server, and the access token to use with it.",
    "NO_COLOR": "No colour, even on a terminal.",
}
_EXIT = {"0": "Success.", "1": "Any failure that is none of the others.", "2": "Bad input.", "3": "Not running."}


def contexts(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[click.Context]:
    """A context for the command and, in their order, for each command below it."""
    context = click.Context(command, info_name=name, parent=parent, **command.context_settings)
    yield context
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            if found is not None and not found.hidden:
                yield from contexts(found, below, context)


def write_manual(folder: Path) -> list[Path]:
    """Writes `kgents.1`, `kgents-server.1`, `kgents-server-start.1`, … and returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    pages: list[Path] = []
    for context in contexts(cli, "kgents"):
        page = folder / f"{context.command_path.replace(' ', '-')}.1"
        page.write_text(manual_page(context), encoding="utf-8")
        pages.append(page)
    return pages


def manual_page(context: click.Context) -> str:
    """One page in roff."""
    command = context.command
    title = context.command_path.replace(" ", "-")
    summary, paragraphs = _split_help(command)
    lines = [f'.TH "{title.upper()}" "1" "" "Kgents {version("kgents")}" "Kgents"']
    lines += [".SH NAME", f"{_text(title)} \\- {_text(summary.rstrip('.'))}"]
    lines += [
        ".SH SYNOPSIS",
        f".B {_text(context.command_path)}",
        _text(" ".join(command.collect_usage_pieces(context))),
    ]
    plain = [paragraph for paragraph in paragraphs if not paragraph.startswith("\b")]
    if plain:
        lines.append(".SH DESCRIPTION")
        for paragraph in plain:
            lines += [".PP", _text(" ".join(paragraph.split()))]
    options = [record for item in command.get_params(context) if (record := item.get_help_record(context)) is not None]
    lines += _definitions("OPTIONS", options)
    if isinstance(command, click.Group):
        below = [(name, _short(command, context, name)) for name in command.list_commands(context)]
        lines += _definitions("COMMANDS", below)
    for paragraph in paragraphs:
        if paragraph.startswith("\b"):
            lines += _verbatim(paragraph)
    if context.parent is None:
        lines += _definitions("ENVIRONMENT", list(_ENVIRONMENT.items()))
        lines += _definitions("EXIT STATUS", list(_EXIT.items()))
    return "\n".join(lines) + "\n"


def markdown() -> str:
    """`docs/cli.md`: every command's own help, one after the other."""
    parts = [
        "# The `kgents` command",
        "Made from the commands' own help by `python -m kgents_cli.manual`; a test compares the two.",
    ]
    for context in contexts(cli, "kgents"):
        context.terminal_width = context.max_content_width = 110
        parts += [f"{'#' * min(context.command_path.count(' ') + 2, 4)} {context.command_path}", _fenced(context)]
    return "\n\n".join(parts) + "\n"


def _fenced(context: click.Context) -> str:
    return f"```text\n{context.get_help()}\n```"


def _split_help(command: click.Command) -> tuple[str, list[str]]:
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(command.help or ""))
    return " ".join(paragraphs[0].split()), paragraphs[1:]


def _short(group: click.Group, context: click.Context, name: str) -> str:
    command = group.get_command(context, name)
    return "" if command is None else _split_help(command)[0]


def _definitions(title: str, rows: list[tuple[str, str]]) -> list[str]:
    lines = [f".SH {title}"] if rows else []
    for term, meaning in rows:
        lines += [".TP", f".B {_text(term)}", _text(meaning)]
    return lines


def _verbatim(paragraph: str) -> list[str]:
    """A paragraph whose line breaks count (click marks it with a backspace), such as the examples."""
    first, *rest = paragraph.removeprefix("\b").strip("\n").split("\n")
    if not first.endswith(":"):
        return [".PP", ".nf", *[_text(line) for line in (first, *rest)], ".fi"]
    return [f".SH {_text(first.rstrip(':').upper())}", ".nf", *[_text(inspect.cleandoc(line)) for line in rest], ".fi"]


def _text(text: str) -> str:
    """Escapes what roff would take for its own: backslashes, hyphens, and a dot or quote that starts a line."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


if __name__ == "__main__":
    (require_checkout("docs/cli.md") / "docs" / "cli.md").write_text(markdown(), encoding="utf-8")
