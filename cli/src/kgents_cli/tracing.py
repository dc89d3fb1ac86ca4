"""What happened in a run: as a tree with the time that each part took, or as the server tells it."""

import json
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import click

from kgents_cli.client import ApiClient, path_below
from kgents_cli.tables import counted
from kgents_cli.terminal import harmless, style

_EVERY_S: Final = 1.0
_BAR: Final = 24
_MOST_NAME: Final = 56
_LEAST_NAME: Final = 24
_BESIDE_NAME: Final = 60  # time, bar, and the beginning of what is told
_MOST_SHOWN: Final = 100
_OPEN: Final = frozenset({"queued", "running", "waiting_approval"})
Span = Mapping[str, Any]


def show_trace(run_id: str, query: Mapping[str, Any], *, follow: bool, prompts: bool, as_json: bool) -> None:
    """What `kgents trace` prints. With `follow` it ends with the run; each part is told once it has ended."""
    asked = {**query, "prompts": "true" if prompts or as_json else "false"}
    path = path_below("/runs", run_id, "trace")
    with ApiClient() as api:
        if follow:
            _follow(lambda: api.call("GET", path, params=asked), prompts=prompts, as_json=as_json)
            return
        trace = api.call("GET", path, params=asked)
    if as_json:
        click.echo(json.dumps(trace))
        return
    for line in drawn(trace, prompts=prompts):
        click.echo(line)
    _tell_what_is_missing(trace)


def _follow(read: Callable[[], Mapping[str, Any]], *, prompts: bool, as_json: bool) -> None:
    told: set[str] = set()
    while True:
        trace = read()
        ended = trace["status"] not in _OPEN
        for span in trace["spans"]:
            if span["id"] in told or not span["matched"] or (span["ended_at"] is None and not ended):
                continue
            told.add(span["id"])
            if as_json:
                click.echo(json.dumps(span))
                continue
            click.echo(f"{_moment(span['offset_ms']):>9}  {span['kind']:<10}  {_name(span)}  {_told(span)}".rstrip())
            for line in _below(span, prompts=prompts):
                click.echo(f"{'':>11}{line}")
        if ended:
            return
        sys.stdout.flush()
        time.sleep(_EVERY_S)


def drawn(trace: Mapping[str, Any], *, prompts: bool) -> Iterator[str]:
    """The lines of the tree: name, time, where in the whole time it was, and what came of it."""
    spans: Sequence[Span] = trace["spans"]
    if not spans:
        yield "Nothing of the run is like that."
        return
    rows = list(_rows(spans))
    room = shutil.get_terminal_size().columns - _BESIDE_NAME if sys.stdout.isatty() else _MOST_NAME
    most = min(_MOST_NAME, max(_LEAST_NAME, room))
    width = min(most, max(len(prefix + _name(span)) for prefix, _, span in rows))
    whole = max((span["offset_ms"] + (span["duration_ms"] or 0) for span in spans), default=0) or 1
    for prefix, under, span in rows:
        name = _cut(prefix + _name(span), width)
        line = f"{name:{width}}  {_moment(span['duration_ms']):>9}  {_bar(span, whole)}  {_told(span)}".rstrip()
        yield _coloured(line, span)
        for more in _below(span, prompts=prompts):
            yield f"{under}{more}"
    yield _sums(trace)


def _rows(spans: Sequence[Span]) -> Iterator[tuple[str, str, Span]]:
    """Each span with what is drawn before its name, and before lines below it."""
    children: defaultdict[str | None, list[Span]] = defaultdict(list)
    for span in spans:
        children[span["parent_id"]].append(span)

    def below(parent: str, before: str) -> Iterator[tuple[str, str, Span]]:
        inner = children[parent]
        for place, span in enumerate(inner):
            is_last = place == len(inner) - 1
            under = before + ("   " if is_last else "│  ")
            has_more = "│  " if children[span["id"]] else "   "
            yield before + ("└─ " if is_last else "├─ "), under + has_more, span
            yield from below(span["id"], under)

    for root in children[None]:
        yield "", "│  " if children[root["id"]] else "   ", root
        yield from below(root["id"], "")


def _name(span: Span) -> str:
    name = harmless(str(span["name"]))
    call = span.get("tool_call")
    if call is None:
        return name
    return f"{name} {_short(json.dumps(call['arguments'], ensure_ascii=False))}" if call["arguments"] else name


def _told(span: Span) -> str:
    """What is worth knowing of a span, in a few words."""
    parts = [] if span["status"] == "ok" else [str(span["status"])]
    if (run := span.get("run")) is not None:
        parts = [str(run["status"])]
        if run["attempts"] > 1:
            parts.append(f"{run['attempts']} attempts")
        if run["waited_s"] >= 1:
            parts.append(f"waited {run['waited_s']:.0f} s for people")
    if (model := span.get("model_call")) is not None:
        parts += _of_model(model)
    if (tool := span.get("tool_call")) is not None:
        parts += _of_tool(tool)
    if (change := span.get("context")) is not None:
        how = "summarised" if change["summarised"] else "dropped"
        parts.append(
            f"{change['forgotten']} messages {how}, {change['tokens_before']} → {change['tokens_after']} tokens"
        )
    return ", ".join(parts)


def _of_model(call: Mapping[str, Any]) -> Iterator[str]:
    if call["from_cache"]:
        yield "a kept answer"
        return
    about = "~" if call["estimated"] else ""
    yield f"{about}{call['prompt_tokens']} → {about}{call['completion_tokens']} tokens"
    if call["first_token_ms"] is not None:
        yield f"first after {_moment(call['first_token_ms'])}"
    if call["tries"] > 1:
        yield f"{call['tries']} tries"
    if call["cost"] is not None and float(call["cost"]) > 0:
        yield f"{call['cost']} {call['cost_currency']}"


def _of_tool(call: Mapping[str, Any]) -> Iterator[str]:
    decision = call["decision"]
    if decision is not None:
        yield str(decision["outcome"])
        if decision["approval_status"]:
            by = f" by {decision['decided_by']}" if decision["decided_by"] else ""
            yield f"approval {decision['approval_status']}{harmless(by)}"
    if call["dispatches"] > 1:
        yield f"handed over {call['dispatches']} times"
    if call["cost"] is not None and float(call["cost"]) > 0:
        yield f"{call['cost']} {call['cost_currency']}"


def _below(span: Span, *, prompts: bool) -> Iterator[str]:
    """Lines below a span: why it failed, by which rule it was denied, what it gave, what was sent."""
    if span["error"] is not None:
        yield _red(f"✗ {span['error']['code']}: {_short(span['error']['detail'], 300)}")
    call = span.get("tool_call")
    if call is not None:
        if call["decision"] is not None and call["decision"]["denied_by"]:
            yield f"denied by {_short(json.dumps(call['decision']['denied_by'], ensure_ascii=False), 300)}"
        if call["result"] is not None and span["error"] is None:
            yield f"→ {_short(call['result'])}"
    if (run := span.get("run")) is not None:
        yield f"“{_short(run['question'])}”"
        if run["answer"] is not None:
            yield f"→ {_short(run['answer'])}"
    model = span.get("model_call")
    if prompts and model is not None:
        if model["prompt"] is None:
            yield "(what was sent isn't kept)"
        else:
            for line in json.dumps(model["prompt"], indent=2, ensure_ascii=False).splitlines():
                yield harmless(line)


def _sums(trace: Mapping[str, Any]) -> str:
    sums = trace["totals"]
    cost = f", {sums['cost']} {sums['cost_currency']}" if float(sums["cost"]) > 0 else ""
    if not sums["cost_is_whole"] and sums["model_calls"]:
        cost += " (not all prices are known)"
    return (
        f"{_moment(trace['duration_ms']).strip()} in all: {_moment(sums['model_ms']).strip()} in "
        f"{counted(sums['model_calls'], 'model call')}, {_moment(sums['tool_ms']).strip()} in "
        f"{counted(sums['tool_calls'], 'tool call')}; "
        f"{sums['prompt_tokens']} → {sums['completion_tokens']} tokens{cost}"
    )


def _tell_what_is_missing(trace: Mapping[str, Any]) -> None:
    if trace["registry"] == "away":
        click.echo("(the tool registry can't be asked right now: what was decided on calls isn't known)", err=True)
    if trace["left_out"]:
        click.echo(f"({trace['left_out']} more parts are left out)", err=True)


def _bar(span: Span, whole: float) -> str:
    """Where in the whole time a span was, as a bar."""
    began = min(_BAR - 1, int(span["offset_ms"] / whole * _BAR))
    length = _BAR - began if span["duration_ms"] is None else round(span["duration_ms"] / whole * _BAR)
    length = max(1, min(length, _BAR - began))
    return " " * began + ("░" if span["duration_ms"] is None else "█") * length + " " * (_BAR - began - length)


def _moment(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "…"
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.2f} s"


def _short(text: str, most: int = _MOST_SHOWN) -> str:
    line = " ".join(harmless(text).split())
    return _cut(line, most)


def _cut(line: str, most: int) -> str:
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _coloured(line: str, span: Span) -> str:
    if span["status"] == "error":
        return _red(line)
    return line if span["matched"] else style(line, "dim", sys.stdout)


def _red(line: str) -> str:
    return style(line, "red", sys.stdout)
