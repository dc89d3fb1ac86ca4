"""One list of the API, as a table for people or as JSON for scripts."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import click

from kgents_cli.client import ApiClient
from kgents_cli.faults import as_called
from kgents_cli.tables import show_table

Item = Mapping[str, Any]


def show_list(
    path: str,
    columns: Mapping[str, Callable[[Item], object]],
    *,
    none_yet: str,
    as_json: bool,
    params: Mapping[str, str] | None = None,
) -> None:
    """Print every item below `path`: each column's head and what it shows of an item, or `none_yet` on stderr."""
    with ApiClient() as api:
        items = list(api.pages(path, params))
    if as_json:
        click.echo(json.dumps(items))
    elif not items:
        click.echo(as_called(none_yet), err=True)
    else:
        show_table(tuple(columns), [[show(item) for show in columns.values()] for item in items])
