"""One list of the API, as a table for people or as JSON for scripts."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from kgents_cli.client import ApiClient
from kgents_cli.faults import ApiFault, as_called
from kgents_cli.tables import show_table

Item = Mapping[str, Any]


def show_list(
    path: str,
    columns: Mapping[str, Callable[[Item], object]],
    *,
    none_yet: str,
    as_json: bool,
    params: Mapping[str, str] | None = None,
    of_organisations: bool = False,
) -> None:
    """Print every item below `path`: each column's head and what it shows of an item, or `none_yet` on stderr.

    `of_organisations`: columns find the slug of the organisation that an item belongs to as its `organisation`.
    """
    with ApiClient() as api:
        items = list(api.pages(path, params))
        if of_organisations and not as_json:
            items = with_organisations(api, items)
    if as_json:
        click.echo(json.dumps(items))
    elif not items:
        click.echo(as_called(none_yet), err=True)
    else:
        show_table(tuple(columns), [[show(item) for show in columns.values()] for item in items])


def with_organisations(api: ApiClient, items: Sequence[Item]) -> list[dict[str, Any]]:
    """The items, each with the slug of the caller's organisation that it belongs to, or None, as `organisation`."""
    slugs = organisations(api) if any(item.get("owner_id") for item in items) else {}
    return [{**item, "organisation": slugs.get(str(item.get("owner_id")))} for item in items]


def organisations(api: ApiClient) -> dict[str, str]:
    """The slugs of the caller's organisations by id; none for who may not ask."""
    try:
        return {str(found["id"]): str(found["slug"]) for found in api.pages("/organisations")}
    except ApiFault as fault:
        if fault.status not in (403, 404):
            raise
        return {}
