"""Rows that a person reads: aligned columns, cut to the terminal's width where there is one."""

import shutil
import sys
from collections.abc import Sequence

import click

from kgents_cli.terminal import harmless, style

_LEAST_WIDTH = 40
_GAP = "  "


def show_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print the rows under their heads; None is shown as `-`. The last column gives way where there is no room."""
    texts = [["-" if cell is None else " ".join(harmless(str(cell)).split()) for cell in row] for row in rows]
    widths = [max(len(name), *(len(row[column]) for row in texts), 0) for column, name in enumerate(head)]
    room = max(shutil.get_terminal_size().columns, _LEAST_WIDTH) if sys.stdout.isatty() else None
    click.echo(style(_line([name.upper() for name in head], widths, room), "dim", sys.stdout))
    for row in texts:
        click.echo(_line(row, widths, room))


def _line(cells: Sequence[str], widths: Sequence[int], room: int | None) -> str:
    line = _GAP.join(f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()
    return line if room is None or len(line) <= room else line[: room - 1] + "…"


def counted(number: int, noun: str) -> str:
    """`1 tool`, `2 tools`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def day(moment: str | None) -> str | None:
    """`2026-11-21 09:30` of an RFC 3339 time (UTC)."""
    return None if moment is None else moment[:16].replace("T", " ")
