"""Models as the command line shows them: what there is, what it costs, whether it answers."""

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import click

from kgents_cli.client import ApiClient, path_below
from kgents_cli.faults import BadInput, CliError
from kgents_cli.listing import show_list
from kgents_cli.problems import problem_error
from kgents_cli.tables import show_table
from kgents_cli.terminal import harmless, progress

_PRICES: Final = "/models/prices"
_MEGABYTE: Final = 1_000_000


def list_models(provider: str | None, *, as_json: bool) -> None:
    """What `kgents models list` prints; what couldn't be asked goes to stderr."""
    with ApiClient() as api:
        found = api.call("GET", "/models")
    models = [model for model in found["items"] if provider in (None, model["provider"])]
    if as_json:
        click.echo(json.dumps({**found, "items": models}))
        return
    rows = [
        (
            model["provider"],
            f"{model['model']}{' (default)' if model['is_default'] else ''}",
            model["context_window"],
            _price(model["prices"]),
            model["credential_ref"] or "the platform's",
            " ".join(model["capabilities"] or ()) or None,
        )
        for model in models
    ]
    show_table(("provider", "model", "window", "in/out per million", "account", "can"), rows)
    for account in found["providers"]:
        if account["status"] != "ok" and provider in (None, account["provider"]):
            click.echo(harmless(f"{account['provider']}: {account['detail']}"), err=True)


def show_health(*, as_json: bool) -> int:
    """What `kgents models health` prints; 1 where a provider can't be used."""
    with ApiClient() as api:
        found = api.call("GET", "/models/health")["items"]
    if as_json:
        click.echo(json.dumps(found))
    else:
        rows = [
            (row["provider"], row["status"], f"{row['latency_ms']} ms", row["credential"] or "the platform's",
             row["detail"])
            for row in found
        ]  # fmt: skip
        show_table(("provider", "status", "took", "account", "detail"), rows)
    return 0 if all(row["status"] == "ok" for row in found) else 1


def list_local(*, as_json: bool) -> None:
    """What `kgents models local` prints."""
    show_list(
        "/models/ollama",
        {
            "model": lambda model: model["model"],
            "size": lambda model: _megabytes(model["size_bytes"]),
            "loaded": lambda model: _megabytes(model["memory_bytes"]) if model["loaded"] else "no",
            "on a card": lambda model: _megabytes(model["vram_bytes"]),
            "tokens/s": lambda model: _timing(model, "tokens_per_second"),
            "loading, ms": lambda model: _timing(model, "load_ms"),
        },
        none_yet="Ollama has no models yet. Fetch one with: kgents models pull MODEL",
        as_json=as_json,
    )


def pull_model(model: str, *, as_json: bool) -> None:
    """What `kgents models pull` does.

    Raises:
        CliError: it failed, or the answer broke off.
    """
    if not model.strip():
        raise BadInput("the model's name is empty", hint="see https://ollama.com/library for what there is")
    body = {"model": model}
    with (
        ApiClient() as api,
        progress(f"Pulling {harmless(model)}") as shown,
        api.stream("/models/ollama/pull", body) as events,
    ):
        for event in events:
            if event.name == "failed":
                raise problem_error(int(event.data["status"]), event.data)
            if event.name == "completed":
                break
            shown.update(_told(model, event.data))
        else:
            raise CliError("the answer broke off", hint="the same command goes on from where it was")
    click.echo(json.dumps({"model": model}) if as_json else f"{harmless(model)} is there.")


def list_prices(provider: str | None, *, as_json: bool) -> None:
    """What `kgents models prices list` prints."""
    show_list(
        _PRICES,
        {
            "provider": lambda price: price["provider"],
            "model": lambda price: price["model"],
            "input": lambda price: price["input"],
            "output": lambda price: price["output"],
            "cached": lambda price: price["cached_input"],
            "of": lambda price: "yours" if price["source"] == "own" else price["as_of"],
        },
        none_yet="No prices are known.",
        as_json=as_json,
        params=None if provider is None else {"provider": provider},
    )


def set_price(provider: str, model: str, amounts: Mapping[str, str | None], *, as_json: bool) -> None:
    """What `kgents models prices set` does."""
    body = {name: amount for name, amount in amounts.items() if amount is not None}
    with ApiClient() as api:
        made: dict[str, Any] = api.call("PUT", _path(provider, model), body=body)
    if as_json:
        click.echo(json.dumps(made))
    else:
        click.echo(f"{harmless(model)} costs {made['input']} in and {made['output']} out ({made['currency']}).")


def unset_price(provider: str, model: str) -> None:
    """What `kgents models prices unset` does."""
    with ApiClient() as api:
        api.call("DELETE", _path(provider, model))
    click.echo(f"The list's price of {harmless(model)} counts again, if it has one.")


def _path(provider: str, model: str) -> str:
    if not model:
        raise BadInput("the model's name is empty", hint="name a model, or '*' for every one that stands nowhere else")
    return f"{path_below(_PRICES, provider)}/{quote(model, safe='/*', errors='replace')}"


def _price(prices: Mapping[str, str] | None) -> str | None:
    return None if prices is None else f"{prices['input']}/{prices['output']} {prices['currency']}"


def _told(model: str, told: Mapping[str, Any]) -> str:
    total, completed = told.get("total"), told.get("completed")
    done = f" {100 * int(completed) // int(total)} %" if total and completed is not None else ""
    return f"{harmless(model)}: {harmless(str(told.get('status', '')))}{done}"


def _megabytes(size: int | None) -> str | None:
    return None if size is None else f"{size // _MEGABYTE} MB"


def _timing(model: Mapping[str, Any], name: str) -> object:
    timings: Mapping[str, object] = model["timings"] or {}
    return timings.get(name)
