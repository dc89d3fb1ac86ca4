"""What `kgents create --describe` does: an agent out of a sentence, shown whole before anybody runs it."""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import click

from kgents_cli.client import ApiClient
from kgents_cli.faults import ApiFault, BadInput, as_called
from kgents_cli.publishing import Delivery, shown_wait
from kgents_cli.terminal import harmless, progress, style

_TIMEOUT_S = 600
_MOST_CHARS = 8000
_UTF8_BYTES = 4


@dataclass(frozen=True, slots=True)
class Description:
    """What somebody wants, and how it is to be drafted. `llm` are the fields of a definition's `[llm]`."""

    text: str
    name: str | None
    llm: Mapping[str, str]
    out: Path | None
    is_flow: bool


def create_from_description(wanted: Description, delivery: Delivery, *, publish: bool) -> None:
    """Have the server draft the agent, and show what came of it and what to do next."""
    if wanted.out is not None:
        _refuse_taken(wanted.out)
    text = wanted.text if wanted.text != "-" else _from_stdin()
    body: dict[str, Any] = {"description": text, "llm": dict(wanted.llm), "publish": publish}
    if wanted.is_flow:
        body["kind"] = "flow"
    if wanted.name is not None:
        body["name"] = wanted.name
    params = {} if delivery.organisation is None else {"organisation": delivery.organisation}
    with ApiClient() as api:
        try:
            with progress("a model drafts the agent"):
                drafting = api.call("POST", "/nl/agents", params=params, body=body, timeout_s=_TIMEOUT_S)
        except ApiFault as fault:
            raise _told(fault) from fault
        if wanted.out is not None:
            _write(wanted.out, drafting)
        if not delivery.as_json:
            _show(drafting, wanted.out)
        name, version = drafting["agent"]["name"], drafting["agent"]["version"]
        instance = None if version is None else shown_wait(api, name, version, delivery.timeout_s)
    if delivery.as_json:
        click.echo(json.dumps(drafting if instance is None else {**drafting, "instance": instance}))
    elif instance is not None:
        click.echo(f"{style(name, 'green', sys.stdout)} version {version} is running.")
        click.echo(as_called(f'Talk to it:  kgents message {name} "Hello"'))
    else:
        _show_next(drafting, wanted.out)


def _from_stdin() -> str:
    """The description out of a pipe."""
    read = sys.stdin.buffer.read(_MOST_CHARS * _UTF8_BYTES + 1)
    try:
        return read.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise BadInput("<stdin> is not UTF-8", hint="write the description as plain text") from fault


def _told(fault: ApiFault) -> ApiFault:
    """The refusal with what a person can do about it here."""
    hints = {
        "draft_not_valid": "say more plainly what it is for, name another --model, or write it yourself",
        "model_needed": "set OPENAI_API_KEY, or another provider's, where the server is started, and start it again",
    }
    fault.hint = hints.get(fault.code, fault.hint)
    return fault


def _scenarios_of(out: Path) -> Path:
    return out.with_name(f"{out.stem}.scenarios.toml")


def _refuse_taken(out: Path) -> None:
    """Before a model is asked for what then has no place."""
    for path in (out, _scenarios_of(out)):
        if path.exists() or path.is_symlink():
            raise BadInput(f"{path} is there already", hint="name another --out")
    if not out.parent.is_dir():
        raise BadInput(f"{out.parent} is no folder", hint="make it, or name another --out")


def _write(out: Path, drafting: Mapping[str, Any]) -> None:
    texts = {out: drafting["definition"]}
    if drafting["scenarios_file"] is not None:
        name = str(drafting["agent"]["name"]).rpartition("~")[2]
        # What JSON escapes in a text, TOML does alike.
        ours = f"agent = {json.dumps(out.name, ensure_ascii=False)}"
        named = str(drafting["scenarios_file"]).replace(f'agent = "{name}.toml"', ours, 1)
        texts[_scenarios_of(out)] = named
    for path, text in texts.items():
        try:
            with path.open("x", encoding="utf-8") as opened:
                opened.write(text)
        except OSError as fault:
            raise BadInput(f"{path}: {fault.strerror}", hint="the agent is kept on the server all the same") from fault


def _show(drafting: Mapping[str, Any], out: Path | None) -> None:
    if out is None:
        click.echo(harmless(drafting["definition"].rstrip()))
    for word, colour, line in _lines(drafting):
        click.echo(f"{style(word, colour)}: {harmless(line)}", err=True)


def _lines(drafting: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What is to be said beside the definition: repairs, what was left out, warnings, how it went when it was tried."""
    if drafting.get("kind") == "flow":
        yield "prompt", "cyan", _prompt_of(drafting["definition"])
    for number, attempt in enumerate(drafting["attempts"], 1):
        for fault in attempt["faults"]:
            yield "repaired", "cyan", f"draft {number}: {_fault(fault)}"
    for fault in drafting["left_out"]:
        yield "left out", "yellow", _fault(fault)
    for fault in drafting["warnings"]:
        yield "warning", "yellow", f"{_fault(fault)} [{fault['code']}]"
    for scenario in drafting["scenarios"]:
        passed = scenario["status"] == "passed"
        yield "scenario", "green" if passed else "red", f"{scenario['name']}: {scenario['status']}"
        for failure in scenario["failures"]:
            yield "scenario", "red", f"  {failure}"
    for note in drafting["notes"]:
        yield "note", "cyan", note


def _prompt_of(flow: str) -> str:
    """What the flow's Language Model is told, which nobody finds in its code."""
    nodes = json.loads(flow)["data"]["nodes"]
    [model] = [node["data"]["node"] for node in nodes if node["data"]["type"] == "LanguageModelComponent"]
    return model["template"]["system_message"]["value"]


def _fault(fault: Mapping[str, Any]) -> str:
    place = ".".join(str(part) for part in cast("list[Any]", fault["loc"]))
    hint = f" ({fault['hint']})" if fault["hint"] else ""
    return f"{place}: {fault['msg']}{hint}" if place else f"{fault['msg']}{hint}"


def _show_next(drafting: Mapping[str, Any], out: Path | None) -> None:
    name = drafting["agent"]["name"]
    click.echo(f"{style(name, 'green', sys.stdout)}: draft made, nothing runs yet.", err=out is None)
    if out is not None:
        click.echo(f"Read it:     {out}")
        if drafting["scenarios_file"] is not None:
            click.echo(as_called(f"Try it:      kgents test-agent {_scenarios_of(out)} --real"))
        click.echo(as_called(f"Change it:   kgents create --config {out} --draft"))
    click.echo(as_called(f"Publish it:  kgents agents publish {name}"), err=out is None)
