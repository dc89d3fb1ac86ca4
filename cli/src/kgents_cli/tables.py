"""Rows that a person reads: aligned columns, fitted to the terminal's width where there is one."""

import shutil
import sys
from collections.abc import Callable, Sequence

import click

from kgents_cli.terminal import harmless, style

_LEAST_ROOM = 40
_GAP = "  "
_INDENT = "    "
_NEVER_CUT = 19  # a time, to the second
_LEAST, _COMFORTABLE = 12, 30
_Placed = tuple[int, int]
"""A column's number, and how wide it is shown."""


def show_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print the rows under their heads; None is shown as `-`.

    On a terminal the widest columns are cut to what there is room for, never the first one, by which things are named.
    Where there isn't room for all, each row goes on in a line of its own. What reads a pipe gets everything.
    """
    texts = [["-" if cell is None else " ".join(harmless(str(cell)).split()) for cell in row] for row in rows]
    widths = [max(len(name), *(len(row[column]) for row in texts), 0) for column, name in enumerate(head)]
    room = max(shutil.get_terminal_size().columns, _LEAST_ROOM) if sys.stdout.isatty() else None
    lines = [list(enumerate(widths))] if room is None else _fitted(widths, room)
    _print([name.upper() for name in head], lines, lambda text: style(text, "dim", sys.stdout))
    for row in texts:
        _print(row, lines, str)


def _print(cells: Sequence[str], lines: Sequence[Sequence[_Placed]], in_style: Callable[[str], str]) -> None:
    for number, placed in enumerate(lines):
        line = _GAP.join(f"{_cut(cells[column], width, column):{width}}" for column, width in placed).rstrip()
        if line:
            click.echo(in_style(f"{_INDENT if number else ''}{line}"))


def _cut(text: str, width: int, column: int) -> str:
    return text if len(text) <= width or not column else text[: width - 1] + "…"


def _fitted(widths: Sequence[int], room: int) -> list[list[_Placed]]:
    """Which columns stand on which line of a row: as few lines as there can be, and then as little cut as can be."""
    narrow, wide = (_packed(widths, room, least) for least in (_LEAST, _COMFORTABLE))
    return narrow if len(narrow) < len(wide) else wide


def _packed(widths: Sequence[int], room: int, least: int) -> list[list[_Placed]]:
    """The columns line by line, none that is cut narrower than `least`."""
    lines: list[list[_Placed]] = [[(0, widths[0])]]
    left = room - widths[0]
    for column, width in list(enumerate(widths))[1:]:
        needed = _narrowest(width, least)
        if left < len(_GAP) + needed:
            lines.append([])
            left = room - len(_INDENT) + len(_GAP)
        lines[-1].append((column, width))
        left -= len(_GAP) + needed
    return [_narrowed(line, room - (len(_INDENT) if number else 0), least) for number, line in enumerate(lines)]


def _narrowed(line: Sequence[_Placed], room: int, least: int) -> list[_Placed]:
    """The widest of the columns narrower until all fit, the first one as it is."""
    widths = dict(line)
    over = sum(widths.values()) + len(_GAP) * (len(widths) - 1) - room
    for _ in range(max(over, 0)):
        cut = [column for column, whole in line if column and widths[column] > _narrowest(whole, least)]
        if not cut:
            break
        widths[max(cut, key=lambda column: widths[column])] -= 1
    return list(widths.items())


def _narrowest(width: int, least: int) -> int:
    """How narrow a column of that width may become."""
    return width if width <= _NEVER_CUT else min(width, least)


def counted(number: int, noun: str) -> str:
    """`1 tool`, `2 tools`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def second(moment: str | None) -> str | None:
    """`2026-11-21 09:30:59` of an RFC 3339 time (UTC)."""
    return None if moment is None else moment[:19].replace("T", " ")


def day(moment: str | None) -> str | None:
    """`2026-11-21 09:30` of an RFC 3339 time (UTC)."""
    return None if moment is None else moment[:16].replace("T", " ")
