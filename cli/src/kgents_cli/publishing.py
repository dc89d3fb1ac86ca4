"""From a file to an agent that answers: make or update, publish, wait."""

import json
import sys
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import click

from kgents_cli.client import ApiClient, agent_name, agent_path
from kgents_cli.definition_files import read_definition
from kgents_cli.faults import ApiFault, CliError, as_called
from kgents_cli.terminal import progress, style

# Looked at often at first: most versions answer within a tenth of a second. Then less, for the sake of the others.
_FIRST_PAUSE_S = 0.04
_LONGEST_PAUSE_S = 0.3


@dataclass(frozen=True, slots=True)
class Delivery:
    """How far `kgents create` takes an agent, and how it tells of it."""

    organisation: str | None
    draft: bool
    timeout_s: float
    as_json: bool


class NotReady(CliError):
    """A version does not start, or not in time."""


def create_from_file(config: Path, delivery: Delivery, tests: Sequence[Path] = ()) -> None:
    """What `kgents create --config` does; prints how to talk to the agent. Nothing is sent unless `tests` pass."""
    source, content = read_definition(config, "name a TOML file with `name` and `system_prompt`")
    if tests:
        from kgents_cli.agent_tests.gate import require_tests
        from kgents_cli.agent_tests.loading import agent_of

        require_tests(tests, agent_of(content, Path(source)))
    with ApiClient() as api:
        agent, is_new = create_or_update(api, content, source, delivery.organisation)
        from kgents_cli.validation import show_warnings, warnings_of

        warnings = warnings_of(api, content, language_of(content), delivery.organisation)
        if not delivery.as_json:
            show_warnings(source, warnings)
        deliver(api, {**agent, "warnings": warnings}, delivery, is_new=is_new)


def deliver(api: ApiClient, agent: dict[str, Any], delivery: Delivery, *, is_new: bool) -> None:
    """Publishes a draft agent, unless it is to stay one, and prints what has become of it."""
    name = agent_name(agent)
    if delivery.draft:
        if delivery.as_json:
            click.echo(json.dumps(agent))
        else:
            done = "made" if is_new else "updated"
            click.echo(as_called(f"{name}: draft {done}; publish it with: kgents agents publish {name}"))
        return
    instance = publish(api, name, delivery.timeout_s)
    if delivery.as_json:
        click.echo(json.dumps({**agent, "version": instance["version"], "instance": instance}))
        return
    click.echo(f"{style(name, 'green', sys.stdout)} version {instance['version']} is running.")
    click.echo(as_called(f'Talk to it:  kgents message {name} "Hello"'))
    curl = (
        f'or:          curl -X POST {api.url}/agents/{name}/message -H "Authorization: Bearer $(kgents token)" '
        "-H 'content-type: application/json' -d '{\"text\":\"Hello\"}'"
    )
    click.echo(as_called(curl))


def create_or_update(
    api: ApiClient, content: bytes, source: str, organisation: str | None = None
) -> tuple[dict[str, Any], bool]:
    """The draft agent that the text describes, and whether it is new. A name of the owner's is updated."""
    kind = f"application/{language_of(content)}"
    try:
        params = {} if organisation is None else {"organisation": organisation}
        return api.call("POST", "/agents", params=params, content=content, content_type=kind, source=source), True
    except ApiFault as fault:
        if fault.code != "name_taken":
            raise
    name = agent_name({"name": _name_in(content), "organisation": organisation})
    return api.call("PUT", agent_path(name), content=content, content_type=kind, source=source), False


def language_of(content: bytes) -> Literal["toml", "json"]:
    """A definition is JSON if it begins as an object does, which no TOML can."""
    return "json" if content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{" else "toml"


def _name_in(content: bytes) -> str:
    """The name of an agent whose definition the server has read without a fault."""
    if language_of(content) == "toml":
        return str(tomllib.loads(content.decode("utf-8-sig"))["name"])
    from kgents_shared.definitions.flows.compile import flow_in, name_of_flow

    flow = flow_in(content)
    return str(json.loads(content)["name"]) if flow is None else name_of_flow(str(flow.title))


def publish(
    api: ApiClient,
    name: str,
    timeout_s: float,
    *,
    path: str | None = None,
    tested: Mapping[str, Any] | None = None,
    warns: bool = False,
) -> dict[str, Any]:
    """Publishes the draft and returns the instance of that version, or of the one labelled stable, once it is ready.

    `path` is what is asked where the agent comes of something else than its draft. `tested` is the draft that passed
    its tests, if it had to. With `warns`, what is likely a mistake in it is told on stderr.

    Raises:
        CliError: it failed to start, was not ready in time, or is not what was tested.
    """
    published = api.call("POST", path or agent_path(name, "publish"), body={})
    if tested is not None and published["draft"] != tested:
        raise CliError(
            f"{name} version {published['version']} is published and was not tested: its draft changed meanwhile",
            hint=f"test what is there now, or go back with: kgents agents rollback {name} VERSION",
        )
    if warns and published.get("draft"):
        _warn_of_draft(api, name, published)
    version = int(published["version"])
    stable = next((label["version"] for label in published.get("labels", ()) if label["label"] == "stable"), version)
    if stable != version:
        warning = style("warning:", "yellow")
        print(f"{warning} version {version} is published, but version {stable} is labelled stable", file=sys.stderr)
    return shown_wait(api, name, stable, timeout_s)


def _warn_of_draft(api: ApiClient, name: str, agent: Mapping[str, Any]) -> None:
    from kgents_cli.validation import show_warnings, warnings_of

    found = warnings_of(api, json.dumps(agent["draft"]).encode(), "json", agent.get("organisation"))
    # Where it stands in the JSON that the draft is kept as helps nobody.
    show_warnings(name, [{**fault, "line": None, "column": None} for fault in found])


def roll_back(api: ApiClient, name: str, version: int, timeout_s: float) -> dict[str, Any]:
    """Runs an older version again and returns its instance once it is ready.

    Raises:
        CliError: it failed to start, or was not ready in time.
    """
    api.call("POST", agent_path(name, "rollback"), body={"version": version})
    return shown_wait(api, name, version, timeout_s)


def shown_wait(api: ApiClient, name: str, version: int, timeout_s: float, lane: str = "stable") -> dict[str, Any]:
    """`wait_until_ready`, with a line that says how it goes.

    Raises:
        CliError: it failed to start, or was not ready in time.
    """
    words = f"starting {name} version {version}"
    with progress(words) as shown:
        return wait_until_ready(
            api, name, version, timeout_s, lambda state: shown.update(f"{words}: {state}" if state else words), lane
        )


def wait_until_ready(
    api: ApiClient,
    name: str,
    version: int,
    timeout_s: float,
    look: Callable[[str | None], None],
    lane: str = "stable",
) -> dict[str, Any]:
    """The instance of that version once it is what answers in its lane: ready, and no other version's is any more.

    `look` gets the state that each look finds; it may raise.

    Raises:
        NotReady: it failed to start, or was not ready in time.
        CliError: the server can't be asked.
    """
    deadline, pause_s = time.monotonic() + timeout_s, _FIRST_PAUSE_S
    while True:
        # What runs for a canary's share, or because somebody asks for its number, says nothing of what answers.
        everything = [item for item in _instances(api, name) if item.get("lane", "stable") == lane]
        instances = [item for item in everything if item.get("version") == version]
        ready = [item for item in everything if item["state"] == "ready"]
        if ready and all(item.get("version") == version for item in ready):
            return {"version": version, **ready[0]}
        failed = next((item for item in instances if item["state"] == "failed"), None)
        if failed is not None:
            raise NotReady(
                f"{name} version {version} does not start: {failed.get('last_error') or 'no reason was recorded'}",
                hint=f"its own words: kgents logs {name}",
            )
        if time.monotonic() > deadline:
            raise NotReady(
                f"{name} version {version} was not ready after {timeout_s:.0f} s",
                hint=f"it is still being started; watch it: kgents agents get {name}",
            )
        look(instances[0]["state"] if instances else None)
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.3, _LONGEST_PAUSE_S)


def _instances(api: ApiClient, name: str) -> list[dict[str, Any]]:
    try:
        items = list(api.pages(agent_path(name, "deployments")))
    except ApiFault as fault:
        # Deployment learns of an agent through an event: until then it knows none of that name.
        if fault.status == 404:
            return []
        raise
    return [cast("dict[str, Any]", instance) for item in items for instance in item.get("instances", [])]
