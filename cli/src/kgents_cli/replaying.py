"""Repeating a run against another version or model, and what is different then."""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

from kgents_cli.client import ApiClient, path_below
from kgents_cli.faults import ApiFault
from kgents_cli.terminal import harmless, progress

_EVERY_S: Final = 0.5
_STARTING_S: Final = 60.0
_MARKS: Final[Mapping[str, str]] = {"same": "=", "changed": "≠", "first_only": "-", "second_only": "+"}
_MOST_SHOWN: Final = 200


def replay(run_id: str, body: Mapping[str, Any], *, as_json: bool) -> None:
    """What `kgents replay` does: begins it, waits for its end, and prints both side by side."""
    with ApiClient() as api, progress(f"Repeating the run {harmless(run_id)}") as shown:
        started = _started(api, run_id, body)
        while (run := api.call("GET", path_below("/runs", started["run_id"])))["ended_at"] is None:
            shown.update(f"The replay is {harmless(str(run['status']))}")
            time.sleep(_EVERY_S)
        comparison = _comparison(api, run_id, run)
    if as_json:
        click.echo(json.dumps(comparison))
        return
    for line in drawn(comparison):
        click.echo(line)


def _started(api: ApiClient, run_id: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Begin it; a version that nobody used lately takes a moment to start."""
    until = time.monotonic() + _STARTING_S
    while True:
        try:
            return api.call("POST", path_below("/runs", run_id, "replay"), body=body)
        except ApiFault as fault:
            if fault.code != "agent_starting" or time.monotonic() > until:
                raise
        time.sleep(_EVERY_S)


def _comparison(api: ApiClient, run_id: str, run: Mapping[str, Any]) -> Mapping[str, Any]:
    """Both runs side by side, once the calls of models are written, which takes up to a second."""
    wanted = (run["usage"] or {}).get("model_calls", 0)
    path, params = path_below("/runs", run_id, "comparison"), {"with": run["run_id"]}
    found: Mapping[str, Any] = api.call("GET", path, params=params)
    for _ in range(6):
        if found["second"]["model_calls"] >= wanted:
            break
        time.sleep(_EVERY_S)
        found = api.call("GET", path, params=params)
    return found


def drawn(comparison: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a comparison: what each run took, each step, and the answers where they differ."""
    first, second = comparison["first"], comparison["second"]
    rows = [("", "run", "replay"), *_rows(first, second)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        yield "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
    yield ""
    for number, step in enumerate(comparison["steps"], 1):
        yield f"{_MARKS[step['change']]} step {number}: {_step(step)}"
    if comparison["same_answer"]:
        if first["error"] is None and second["error"] is None:
            yield "The answers are the same."
        elif second["error"] is not None:
            yield f"Both failed; the replay: {harmless(str(second['error']['detail']))}"
        return
    yield ""
    for line in comparison["answer_diff"]:
        yield harmless(line)
    if second["error"] is not None:
        yield f"The replay failed: {harmless(str(second['error']['detail']))}"


def _rows(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    others = dict(_figures(second))
    for name, figure in _figures(first):
        yield name, figure, others[name]


def _figures(side: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "id", side["run_id"]
    yield "version", str(side["version"])
    yield "models", harmless(", ".join(side["models"])) or "-"
    yield "status", side["status"]
    yield "calls of models", str(side["model_calls"])
    yield "calls of tools", str(side["tool_calls"])
    yield "tokens", f"{side['prompt_tokens']} → {side['completion_tokens']}"
    yield "cost", "not known" if side["cost"] is None else f"{side['cost']} {side['cost_currency']}"
    yield "time", "-" if side["duration_ms"] is None else f"{side['duration_ms'] / 1000:.2f} s"


def _step(step: Mapping[str, Any]) -> str:
    parts: list[str] = []
    for side in (step["first"], step["second"]):
        if side is None or (step["change"] == "same" and parts):
            continue
        called = "; ".join(
            f"{call['tool']} {json.dumps(call['arguments'], ensure_ascii=False)}" for call in side["calls"]
        )
        text = " ".join(harmless(called or "the answer").split())
        parts.append(text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…")
    return "  →  ".join(parts)
