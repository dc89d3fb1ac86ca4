"""The kgents command: finds the subcommand, runs it, turns failures into sentences and exit codes."""

import importlib
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn

import click

from kgents_cli.faults import EXIT_BAD_INPUT, EXIT_OTHER, CliError

# Command → its module in kgents_cli.commands and its one line of help: `kgents --help` imports no command.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "demo": ("demo", "Show the whole job in one go: server, agent, message, crash, memory."),
    "up": ("up", "Run the platform in the foreground; Ctrl-C stops everything."),
    "server": ("server", "Start, stop and look at a server in the background."),
    "create": ("create", "Make or update an agent from a TOML file or a template, publish it, wait until it answers."),
    "templates": ("templates", "List, show, copy and check templates: agents to start from."),
    "dev": ("dev", "Publish agents again whenever their TOML files are saved, until Ctrl-C."),
    "migrate": ("migrate", "Turn agents of other systems (Wegent, CrewAI, OpenAI Assistants, YAML) into TOML files."),
    "validate": ("validate", "Check an agent's definition and say where each fault stands."),
    "schema": ("schema", "Print the JSON Schema of definitions, for editors, or their reference."),
    "explain": ("explain", "Say what a code of a fault or refusal means, and what to do."),
    "test-agent": ("test_agent", "Run an agent's scenarios: messages in, a scripted or a real model, mocked tools."),
    "message": ("message", "Send a message to an agent and print its answer as it comes."),
    "runs": ("runs", "List, show, watch and cancel runs: messages, and what answering them takes."),
    "trace": ("trace", "Show what happened in a run: its steps, calls of models and tools, and decisions."),
    "replay": ("replay", "Repeat a run against another version or model, and say what is different then."),
    "capabilities": ("capabilities", "Ask whichever of your agents can do something, and see what was asked of whom."),
    "conversations": ("conversations", "List and show conversations, pin facts in them, reset and delete them."),
    "models": ("models", "List models, what they cost and whether their providers answer; fetch local ones."),
    "budgets": ("budgets", "Bound what agents, people and organisations spend on models, and see what is left."),
    "usage": ("usage", "Sum what models took: calls, tokens and money by agent, user, model or day."),
    "memory": ("memory", "Read, change and search what agents remember."),
    "contexts": (
        "contexts",
        "Let several agents answer in one conversation: who takes part, what is said, what it took.",
    ),
    "approvals": ("approvals", "List and show what agents want to do outside, and approve or reject it."),
    "policies": ("policies", "Make, change and try policies: rules in Cedar that calls of tools are held against."),
    "agents": ("agents", "List, read, update, publish, compare, roll back, stop and delete agents."),
    "kinds": ("kinds", "Make agents of parts: ghosts, models, shells, bots and teams."),
    "wrappers": ("wrappers", "Make and deploy wrappers: agents under other names, with settings of their own."),
    "tools": ("tools", "List, add, show, search, test, call and accept tools, and say who may call which."),
    "mcp": ("mcp", "Register, list, inspect, refresh and remove MCP servers, whose tools agents may call."),
    "profiles": ("profiles", "Say what agents can do, attest it so that anybody can verify it, and revoke that."),
    "langflow": ("langflow", "Install what flows of Langflow run on, and take the platform's tools to Langflow."),
    "logs": ("logs", "Print what an agent's worker logged."),
    "login": ("login", "Log in to a server as a person and keep the session."),
    "logout": ("logout", "End the session that `kgents login` keeps."),
    "whoami": ("whoami", "Say who the commands act as, and what they may do."),
    "keys": ("keys", "List, make and delete your API keys."),
    "clients": ("clients", "List, make, rotate and delete your applications: machines that get tokens of their own."),
    "credentials": ("credentials", "List, store, rotate and delete what agents may use but never see."),
    "organisations": ("organisations", "List and make organisations, and say who is in them."),
    "users": ("users", "List, make, disable and enable people (administrators); export or erase what is kept of you."),
    "roles": ("roles", "List, make, delete, grant and revoke roles (administrators)."),
    "token": ("token", "Print an access token for this machine's server."),
    "doctor": ("doctor", "Check what this machine offers and say how to fix what is missing."),
    "version": ("version", "Print the versions of Kgents and of what it runs on."),
    "completion": ("completion", "Print a completion script for your shell."),
    "man": ("man", "Write the manual pages."),
    "test": ("test", "Run lint, then every test, as CI does."),
    "lint": ("lint", "Check style, types, imports, migrations, generated pages and lock files."),
    "bench": ("bench", "Run a benchmark and print its table."),
    "chaos": ("chaos", "Run the fault tests at their full counts."),
    "locks": ("locks", "Make the lock files anew from what the members ask for."),
}

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the one command that is asked for."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"kgents_cli.commands.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        _describe_whole(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Click's own, with a better sentence for a name that doesn't exist."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(_unknown(args[0]), ctx)
        return super().resolve_command(ctx, args)


def _describe_whole(command: click.Command) -> None:
    """Lists of commands have the whole first sentence of each: click's own cuts it where the line ends."""
    if not isinstance(command, click.Group):
        return
    for below in command.commands.values():
        below.short_help = below.short_help or _first_sentence(below.help or "")
        _describe_whole(below)


def _first_sentence(text: str) -> str:
    paragraph = " ".join(text.strip().partition("\n\n")[0].split())
    return re.split(r"(?<=\.) ", paragraph, maxsplit=1)[0]


def _unknown(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, COMMANDS, n=1)
    return f"no such command: {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def _print_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from importlib.metadata import version

    click.echo(f"kgents {version('kgents')}")
    ctx.exit()


@click.group(cls=LazyGroup, context_settings=CONTEXT)
@click.option(
    "--version", is_flag=True, callback=_print_version, expose_value=False, is_eager=True, help="Print the version."
)
def cli() -> None:
    """Kgents runs AI agents in sandboxes of their own behind one HTTP API.

    \b
    Start here:
      ./kgents demo                             the whole job in one command
      ./kgents server start                     a server in the background, at http://127.0.0.1:8080
      ./kgents create --config my-agent.toml    an agent from a file, published
      ./kgents message my-agent "Hello"         its answer

    \b
    Exit codes: 0 success, 2 bad input, 3 the server is not running, 1 any other failure.
    Settings: $KGENTS_HOME/config.toml (default ~/.kgents), overridden by KGENTS_* in the environment.
    """


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line and returns its exit code; every expected failure is one message on stderr."""
    try:
        outcome: Any = cli.main(args=arguments, prog_name="kgents", standalone_mode=False)
        sys.stdout.flush()
    except CliError as fault:
        fault.show()
        return fault.exit_code
    except click.Abort:
        click.echo("Stopped.", err=True)
        return 130
    except click.ClickException as fault:
        _show_usage_fault(fault)
        return EXIT_BAD_INPUT
    except BrokenPipeError:
        # The reader of a pipe left (`kgents logs x | head`): nothing to say, and nothing may be flushed at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OTHER
    except OSError as fault:
        # A full disk behind `> file`, a folder that can't be made: whatever is left in stdout can't be written either.
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        where = "" if fault.filename is None else f"{fault.filename}: "
        CliError(f"{where}{fault.strerror or fault}").show()
        return EXIT_OTHER
    return outcome if isinstance(outcome, int) else 0


def _show_usage_fault(fault: click.ClickException) -> None:
    if isinstance(fault, click.exceptions.NoArgsIsHelpError):
        click.echo(fault.format_message(), err=True)
        return
    click.echo(f"kgents: {fault.format_message()}", err=True)
    context = fault.ctx if isinstance(fault, click.UsageError) else None
    if context is not None:
        if isinstance(fault, click.NoSuchCommand) and isinstance(context.command, click.Group):
            click.echo(f"  There are: {', '.join(context.command.list_commands(context))}", err=True)
        click.echo(f"  {context.get_usage()}\n  Help: {context.command_path} --help", err=True)


def _leave(_number: int, _frame: object) -> NoReturn:
    # An exit, not an end: the cleanups of `demo` and others run.
    raise SystemExit(143)


def main() -> NoReturn:
    """Entry point of the `kgents` command."""
    signal.signal(signal.SIGTERM, _leave)
    sys.exit(run())
