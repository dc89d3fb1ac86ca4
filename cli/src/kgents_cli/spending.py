"""Budgets and sums as the command line shows them."""

import json
from collections.abc import Mapping
from typing import Any, Final

import click

from kgents_cli.client import ApiClient, path_below
from kgents_cli.faults import BadInput
from kgents_cli.listing import show_list
from kgents_cli.parameters import named_options
from kgents_cli.people import Named, person_id
from kgents_cli.tables import day
from kgents_cli.terminal import harmless

_BUDGETS: Final = "/budgets"


def list_budgets(*, as_json: bool) -> None:
    """What `kgents budgets list` prints."""
    named = Named()
    show_list(
        _BUDGETS,
        {
            "id": lambda budget: budget["id"],
            "bounds": lambda budget: _whose(budget, named),
            "per": lambda budget: budget["window"],
            "most": lambda budget: _both(budget["max_cost"], budget["max_tokens"]),
            "spent": lambda budget: _amounts(budget["spent"]),
            "left": lambda budget: _amounts(budget["left"]),
            "renews": lambda budget: day(budget["renews_at"]),
        },
        none_yet="No budgets yet. Make one with: kgents budgets set agent NAME --max-cost AMOUNT",
        as_json=as_json,
    )


def set_budget(asked: Mapping[str, Any], *, as_json: bool) -> None:
    """What `kgents budgets set` does.

    Raises:
        BadInput: it bounds nothing, or names nobody.
    """
    body = named_options(asked)
    if "max_cost" not in body and "max_tokens" not in body:
        raise BadInput("the budget bounds nothing", hint="give --max-cost, --max-tokens or both")
    if body["scope"] in ("agent", "organisation") and not body.get("subject"):
        raise BadInput(f"no {body['scope']} is named", hint=f"kgents budgets set {body['scope']} NAME …")
    if body["scope"] == "platform" and body.get("subject"):
        raise BadInput("the platform is one: it takes no name", hint="kgents budgets set platform …")
    with ApiClient() as api:
        if body["scope"] == "user" and "subject" in body:
            body["subject"] = person_id(api, body["subject"])
        made = api.call("PUT", _BUDGETS, body=body)
    if as_json:
        click.echo(json.dumps(made))
        return
    most, left = _both(made["max_cost"], made["max_tokens"]), _amounts(made["left"])
    during = "in total" if made["window"] == "total" else f"a {made['window']}"
    click.echo(f"{harmless(_whose(made, Named()))}: at most {most} {during}, of which {left} are left. {made['id']}")


def delete_budget(budget: str) -> None:
    """What `kgents budgets delete` does."""
    with ApiClient() as api:
        api.call("DELETE", path_below(_BUDGETS, budget))
    click.echo(f"{harmless(budget)} is deleted.")


def show_usage(asked: Mapping[str, str | None], *, as_json: bool) -> None:
    """What `kgents usage` prints."""
    named = Named() if asked["by"] == "user" else str
    show_list(
        "/usage",
        {
            str(asked["by"]): lambda row: row["name"] or named(row["key"]),
            "calls": lambda row: row["calls"],
            "failed": lambda row: row["failed_calls"],
            "kept": lambda row: row["answers_from_cache"],
            "prompt": lambda row: row["prompt_tokens"],
            "answers": lambda row: row["completion_tokens"],
            "cost": lambda row: f"{row['cost']} {row['currency']}",
            "of that tools": lambda row: row["tool_cost"],
            "of unknown price": lambda row: row["unpriced_calls"],
        },
        none_yet="No model was asked in this time.",
        as_json=as_json,
        params=named_options(asked),
    )


def _whose(budget: Mapping[str, Any], named: Named) -> str:
    if budget["scope"] == "platform":
        return "the platform"
    name = str(budget["subject_name"])
    return "you" if budget["scope"] == "user" and named(name) == "you" else f"{budget['scope']} {name}"


def _amounts(amounts: Mapping[str, Any]) -> str:
    return _both(amounts["cost"], amounts["tokens"])


def _both(cost: str | None, tokens: int | None) -> str:
    money = [] if cost is None else [f"{cost} USD"]
    return ", ".join(money + ([] if tokens is None else [f"{tokens} tokens"]))
