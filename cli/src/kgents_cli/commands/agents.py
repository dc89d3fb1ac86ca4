"""`kgents agents list|get|update|publish|versions|diff|rollback|labels|label|unlabel|stop|delete`."""

import json
from pathlib import Path
from typing import Any

import click

from kgents_cli.parameters import FilePath

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_TIMEOUT = click.option(
    "--timeout",
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait until it answers.",
    type=click.FloatRange(min=0),
)
_NUMBER = click.IntRange(1, 2**31 - 1)


@click.group()
def command() -> None:
    """List, read, update, publish, compare, roll back, stop and delete agents.

    \b
    Examples:
      kgents agents list
      kgents agents get my-agent --json
      kgents agents diff my-agent
      kgents agents delete my-agent --yes
    """


@command.command(name="list")
@_JSON
def list_agents(as_json: bool) -> None:
    """List your agents, and those of your organisations as `organisation~name`.

    \b
    Examples:
      kgents agents list
      kgents agents list --json
    """
    from kgents_cli.client import agent_name
    from kgents_cli.listing import show_list

    show_list(
        "/agents",
        {
            "name": agent_name,
            "status": lambda agent: agent["status"],
            "version": lambda agent: agent["version"],
            "description": lambda agent: agent["draft"]["description"].partition("\n")[0],
        },
        none_yet="No agents yet. Make one with: kgents create --config FILE",
        as_json=as_json,
        params={"limit": "200"},
    )


def _lane(instance: dict[str, Any]) -> str:
    """Why it runs, where it isn't what answers who asks for no version."""
    lane = instance.get("lane", "stable")
    return "" if lane == "stable" else f" ({'asked for by number' if lane.isdigit() else lane})"


def _used(instance: dict[str, Any]) -> str:
    """What it takes of the machine, as far as its launcher knows."""
    used = instance.get("usage") or {}
    processor = "" if used.get("cpu_s") is None else f", {used['cpu_s']} s of a processor"
    return processor + ("" if used.get("memory_mb") is None else f", {used['memory_mb']} MB")


@command.command()
@click.argument("agent")
@_JSON
def get(agent: str, as_json: bool) -> None:
    """Show one agent and what runs of it.

    \b
    Examples:
      kgents agents get my-agent
      kgents agents get my-agent --json
    """
    from kgents_cli.client import ApiClient, agent_path
    from kgents_cli.terminal import harmless

    with ApiClient() as api:
        found = api.call("GET", agent_path(agent))
        if as_json:
            click.echo(json.dumps(found))
            return
        click.echo(harmless(json.dumps(found, indent=2, ensure_ascii=False)))
        if found["version"] is not None:
            for deployment in api.pages(agent_path(agent, "deployments")):
                for instance in deployment.get("instances", []):
                    click.echo(
                        f"instance {instance['id']}: version {instance['version']}{_lane(instance)}, "
                        f"{instance['state']}, "
                        f"process {instance.get('pid') or '-'}, {instance.get('restarts', 0)} restarts"
                        f"{_used(instance)}",
                        err=True,
                    )


@command.command()
@click.argument("agent")
@click.option(
    "--config", required=True, metavar="FILE", help="The agent's TOML or JSON file.", type=FilePath()
)  # fmt: skip
@_JSON
def update(agent: str, config: Path, as_json: bool) -> None:
    """Replace AGENT's draft by a file. What runs stays as it is until you publish.

    \b
    Examples:
      kgents agents update my-agent --config my-agent.toml
    """
    from kgents_cli.client import ApiClient, agent_path
    from kgents_cli.definition_files import read_definition
    from kgents_cli.publishing import language_of

    _, content = read_definition(config, "name a TOML or JSON file")
    kind = f"application/{language_of(content)}"
    with ApiClient() as api:
        found = api.call("PUT", agent_path(agent), content=content, content_type=kind, source=str(config))
    click.echo(
        json.dumps(found) if as_json else f"{agent}: draft updated; publish it with: kgents agents publish {agent}"
    )


@command.command()
@click.argument("agent")
@click.option(
    "--require-tests", "tests", multiple=True, metavar="FILE", type=FilePath(),
    help="Publish nothing unless these scenarios pass on the draft; may be given more than once.",
)  # fmt: skip
@_TIMEOUT
@_JSON
def publish(agent: str, tests: tuple[Path, ...], timeout: float, as_json: bool) -> None:
    """Freeze AGENT's draft as a new version and wait until that version answers.

    \b
    Examples:
      kgents agents publish my-agent
      kgents agents publish my-agent --require-tests my-agent.scenarios.toml
    """
    from kgents_cli.client import ApiClient
    from kgents_cli.publishing import publish as publish_and_wait

    with ApiClient() as api:
        tested = None
        if tests:
            from kgents_cli.agent_tests.gate import require_tests_of_draft

            tested = require_tests_of_draft(api, agent, tests)
        instance = publish_and_wait(api, agent, timeout, tested=tested, warns=True)
    click.echo(json.dumps(instance) if as_json else f"{agent} version {instance['version']} is running.")


@command.command()
@click.argument("agent")
@click.argument("number", required=False, type=_NUMBER)
@_JSON
def versions(agent: str, number: int | None, as_json: bool) -> None:
    """List AGENT's versions, newest first, or show version NUMBER. A version never changes.

    \b
    Examples:
      kgents agents versions my-agent
      kgents agents versions my-agent 3
    """
    from kgents_cli.versions import show_version, show_versions

    if number is None:
        show_versions(agent, as_json=as_json)
    else:
        show_version(agent, number, as_json=as_json)


@command.command()
@click.argument("agent")
@click.option("--from", "old", type=_NUMBER, metavar="NUMBER", help="A version; without it, the one in force.")
@click.option("--to", "new", type=_NUMBER, metavar="NUMBER", help="A version; without it, the draft.")
@_JSON
def diff(agent: str, old: int | None, new: int | None, as_json: bool) -> None:
    """Show what changes from one version of AGENT to another, field by field.

    Without --from and --to, that is what the next publish changes.

    \b
    Examples:
      kgents agents diff my-agent
      kgents agents diff my-agent --from 1 --to 3
    """
    from kgents_cli.versions import show_difference

    show_difference(agent, old, new, as_json=as_json)


@command.command()
@click.argument("agent")
@click.option("--to", "number", type=_NUMBER, metavar="NUMBER", help="A version; without it, the one before.")
@_TIMEOUT
@_JSON
def rollback(agent: str, number: int | None, timeout: float, as_json: bool) -> None:
    """Run an older version of AGENT again and wait until it answers. The draft stays as it is.

    \b
    Examples:
      kgents agents rollback my-agent
      kgents agents rollback my-agent --to 3
    """
    from kgents_cli.versions import roll_back

    roll_back(agent, number, timeout, as_json=as_json)


@command.command()
@click.argument("agent")
@_JSON
def labels(agent: str, as_json: bool) -> None:
    """List which of AGENT's versions are labelled stable and canary.

    \b
    Examples:
      kgents agents labels my-agent
    """
    from kgents_cli.labels import show_labels

    show_labels(agent, as_json=as_json)


@command.command()
@click.argument("agent")
@click.argument("label", type=click.Choice(["stable", "canary"]))
@click.argument("version", type=_NUMBER)
@click.option(
    "--share", metavar="PERCENT", help="How many new conversations begin with the canary.", type=click.IntRange(0, 100)
)
@_TIMEOUT
@_JSON
def label(agent: str, label: str, version: int, share: int | None, timeout: float, as_json: bool) -> None:
    """Label a version of AGENT and wait until it answers.

    `stable` answers who asks for no version, whatever is published after it. `canary` runs beside it, for its share
    of the new conversations and for who writes AGENT@canary. A conversation stays where it began.

    \b
    Examples:
      kgents agents label my-agent stable 3
      kgents agents label my-agent canary 4 --share 10
    """
    from kgents_cli.labels import put_label

    put_label(agent, label, version, share, timeout, as_json=as_json)


@command.command()
@click.argument("agent")
@click.argument("label", type=click.Choice(["stable", "canary"]))
def unlabel(agent: str, label: str) -> None:
    """Take a label of AGENT's away: without `stable`, the version in force answers.

    \b
    Examples:
      kgents agents unlabel my-agent canary
    """
    from kgents_cli.labels import remove_label

    remove_label(agent, label)


@command.command(name="last-reload")
@click.argument("agent")
@_JSON
def last_reload(agent: str, as_json: bool) -> None:
    """Show how AGENT's last reload went: what it changed, or what was wrong with its file.

    \b
    Examples:
      kgents agents last-reload my-agent
      kgents agents last-reload my-agent --json
    """
    from kgents_cli.versions import show_last_reload

    show_last_reload(agent, as_json=as_json)


@command.command()
@click.argument("agent")
@click.option("--version", "number", type=_NUMBER, metavar="NUMBER", help="A version; without it, the draft.")
def flow(agent: str, number: int | None) -> None:
    """Print the Langflow flow that AGENT is, as JSON that Langflow imports again.

    \b
    Examples:
      kgents agents flow my-flow > my-flow.json
    """
    from kgents_cli.client import ApiClient, agent_path

    params = {} if number is None else {"version": number}
    with ApiClient() as api:
        click.echo(json.dumps(api.call("GET", agent_path(agent, "flow"), params=params), indent=2))


@command.command()
@click.argument("agent")
@_JSON
def stop(agent: str, as_json: bool) -> None:
    """Stop AGENT's worker. The agent and its conversations stay; publish starts it again.

    \b
    Examples:
      kgents agents stop my-agent
    """
    from kgents_cli.client import ApiClient, agent_path

    with ApiClient() as api:
        found = api.call("POST", agent_path(agent, "stop"), body={})
    click.echo(json.dumps(found) if as_json else f"{agent} is being stopped.")


@command.command()
@click.argument("agent")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def delete(agent: str, yes: bool) -> None:
    """Delete AGENT and tear down what runs of it.

    \b
    Examples:
      kgents agents delete my-agent
      kgents agents delete my-agent --yes
    """
    from kgents_cli.client import ApiClient, agent_path
    from kgents_cli.faults import CliError
    from kgents_cli.secret_input import confirmed

    with ApiClient() as api:
        if not yes and not confirmed(f"Delete {agent}? This can't be undone", f"kgents agents delete {agent} --yes"):
            raise CliError("nothing was deleted")
        api.call("DELETE", agent_path(agent))
    click.echo(f"{agent} is deleted.")
