"""What agents remember over the API, and as lines for people."""

import json
import time
from collections.abc import Mapping
from typing import Any, Final

import click

from kgents_cli.client import ApiClient, agent_path, path_below, plain_key
from kgents_cli.faults import BadInput, as_called
from kgents_cli.secret_input import confirmed
from kgents_cli.tables import counted, day, second, show_table
from kgents_cli.terminal import harmless, progress

Item = Mapping[str, Any]
_EVERY_S: Final = 1.0
_COPYINGS: Final = "/memory/copyings"


def list_memories(agent: str, asked: Item, *, as_json: bool) -> None:
    """What `kgents memory list` prints."""
    params = _params(asked, scope="scope", prefix="prefix", tags="tag", since="since", until="until", as_of="as_of")
    with ApiClient() as api:
        items = list(api.pages(agent_path(agent, "memory"), params))
    if as_json:
        click.echo(json.dumps(items))
    elif not items:
        put = as_called(f"kgents memory put {agent} KEY VALUE")
        click.echo(harmless(f"{agent} keeps nothing like that. Put something with: {put}"), err=True)
    else:
        rows = [
            (_key(one), one["scope"], day(one["updated_at"]), " ".join(one["tags"]) or None, one["text"])
            for one in items
        ]
        show_table(("key", "scope", "since", "tags", "value"), rows)


def get_memory(agent: str, key: str, asked: Item, *, as_json: bool) -> None:
    """What `kgents memory get` prints: the value alone."""
    with ApiClient() as api:
        found = api.call("GET", _path(agent, key), params=_params(asked, **_WHERE, as_of="as_of"))
    click.echo(json.dumps(found) if as_json else harmless(str(found["text"])))


def show_history(agent: str, key: str, asked: Item, *, as_json: bool) -> None:
    """What `kgents memory history` prints."""
    with ApiClient() as api:
        found = api.call("GET", _path(agent, key, "history"), params=_params(asked, **_WHERE))["versions"]
    if as_json:
        click.echo(json.dumps(found))
        return
    rows = [(one["version"], second(one["updated_at"]), second(one["ended_at"]) or "now", one["text"]) for one in found]
    show_table(("number", "since", "until", "value"), rows)


def put_memory(agent: str, key: str, value: str, asked: Item, *, json_value: bool) -> None:
    """Put a value."""
    given: Any = value
    if json_value:
        try:
            given = json.loads(value)
        except ValueError as fault:
            raise BadInput(f"the value is no JSON: {fault}", hint="leave --json-value out for a text") from fault
    body = {"value": given, "tags": list(asked["tags"]), "scope": asked["scope"]}
    if asked["conversation"] is not None:
        body["conversation_id"] = asked["conversation"]
    with ApiClient() as api:
        kept = api.call("PUT", _path(agent, key), body=body)
    click.echo(harmless(f"{key} has its value number {kept['version']}, in the memory of scope {kept['scope']}."))


def search_memory(agent: str, query: str, asked: Item, *, as_json: bool) -> None:
    """What `kgents memory search` prints; how it was searched goes to stderr."""
    names = {"mode": "mode", "limit": "limit", "tags": "tags", "since": "since", "until": "until", **_WHERE}
    with ApiClient() as api:
        body = {"query": query, **_params(asked, **names)}
        found = api.call("POST", agent_path(agent, "memory", "search"), body=body)
    if as_json:
        click.echo(json.dumps(found))
        return
    click.echo(harmless(f"Found by: {found['method']}" + (f". {found['note']}" if found["note"] else "")), err=True)
    rows = [
        (_share(one["score"]), _share(one["similarity"]), _key(one), day(one["updated_at"]), one["text"])
        for one in found["memories"]
    ]
    if rows:
        show_table(("score", "similarity", "key", "since", "value"), rows)
    else:
        click.echo("Nothing fits.", err=True)


def delete_memory(agent: str, key: str, scope: str | None, *, yes: bool) -> None:
    """Delete a key with its history."""
    question = f"Delete what {key} has and had in the memory of {agent}?"
    if not yes and not confirmed(question, f"kgents memory delete {agent} {key} --yes"):
        raise click.Abort
    with ApiClient() as api:
        api.call("DELETE", _path(agent, key), params={} if scope is None else {"scope": scope})
    click.echo(harmless(f"{key} is deleted, with its history."))


def show_status(*, as_json: bool) -> None:
    """What `kgents memory status` prints."""
    with ApiClient() as api:
        found = api.call("GET", "/memory/status")
    if as_json:
        click.echo(json.dumps(found))
        return
    ways = {"hybrid": "by meaning and words", "words": "by words alone"}
    click.echo(f"memories are found  {ways.get(found['method'], found['method'])}")
    click.echo(harmless(f"embeddings          {found['embeddings']}"))
    answers = "" if found["backend_answers"] else ", which can't be asked right now"
    click.echo(f"backend             {found['backend']}{answers}")
    click.echo(f"not embedded yet    {counted(found['waiting'], 'text')}")
    if found["note"]:
        click.echo(harmless(str(found["note"])), err=True)


def migrate_memory(source: str, target: str, resume: str | None, *, as_json: bool) -> int:
    """Copy vectors and watch until it has ended; 0 where it is whole."""
    with ApiClient() as api:
        if resume is None:
            now = api.call("POST", _COPYINGS, body={"source": source, "target": target})
        else:
            now = api.call("GET", path_below(_COPYINGS, resume))
        click.echo(harmless(f"Copying {now['id']}: it goes on if this command ends."), err=True)
        with progress("copying vectors") as shown:
            while now["status"] == "running":
                waits = f"; it waits: {now['error']}" if now["error"] else ""
                shown.update(harmless(f"{now['copied']} copied{waits}"))
                time.sleep(_EVERY_S)
                now = api.call("GET", path_below(_COPYINGS, str(now["id"])))
    if as_json:
        click.echo(json.dumps(now))
    else:
        vectors = counted(now["copied"], "vector")
        click.echo(
            f"{vectors} of {now['model']} copied from {now['source']} to {now['target']}, which has {now['held']}."
        )
        if now["missing"]:
            click.echo(f"{counted(now['missing'], 'text')} had none yet: {now['target']} gets theirs when it is used.")
        if now["error"]:
            click.echo(harmless(str(now["error"])), err=True)
    return 0 if now["status"] == "completed" else 1


_WHERE: Final = {"scope": "scope", "conversation": "conversation_id"}


def _path(agent: str, key: str, *below: str) -> str:
    return path_below(agent_path(agent, "memory"), plain_key(key), *below)


def _params(asked: Item, **names: str) -> dict[str, Any]:
    """What was named on the command line, by the names that the API has for it."""
    return {of_api: asked[name] for name, of_api in names.items() if asked.get(name) not in (None, "", ())}


def _key(memory: Item) -> str:
    """A key that can be typed; for a text that was kept without one its id."""
    key = str(memory["key"])
    return str(memory["id"]) if key.startswith("text:") else key


def _share(number: float | None) -> str | None:
    return None if number is None else f"{number:.2f}"
