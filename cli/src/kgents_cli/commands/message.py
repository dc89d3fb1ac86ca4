"""`kgents message`."""

from pathlib import Path

import click

from kgents_cli.parameters import FilePath


@click.command()
@click.argument("agent")
@click.argument("text")
@click.option("--conversation", metavar="ID", help="Go on with this conversation.")
@click.option("--continue", "-c", "go_on", is_flag=True, help="Go on with the newest conversation with AGENT.")
@click.option(
    "--image", "images", multiple=True, metavar="FILE", type=FilePath(),
    help="Send a picture along (PNG, JPEG, GIF, WebP); may be given four times.",
)  # fmt: skip
@click.option("--background", is_flag=True, help="Don't wait: print the run's id at once.")
@click.option("--deadline", type=click.IntRange(1, 604_800), metavar="SECONDS", help="How long it may take in all.")
@click.option("--tries", type=click.IntRange(1, 5), metavar="N", help="How often it is tried where that may help.")
@click.option("--json", "as_json", is_flag=True, help="Wait for the whole answer and print one JSON object.")
def command(
    agent: str,
    text: str,
    conversation: str | None,
    go_on: bool,
    images: tuple[Path, ...],
    background: bool,
    as_json: bool,
    **terms: int | None,
) -> None:
    """Send a message to an agent and print its answer as it comes.

    With --background the run goes on by itself, for --deadline seconds at most, and is tried again after what may pass
    where --tries says so.

    TEXT `-` reads standard input. AGENT@3 asks for version 3, AGENT@canary for the canary.

    \b
    Examples:
      kgents message my-agent "Hello"
      kgents message my-agent "And then?" --continue
      kgents message my-agent "And then?" --conversation 01990d0e-…
      kgents message my-agent@3 "Hello"
      kgents message my-agent "What is on it?" --image photo.jpg
      kgents message my-agent "Hello" --json
      kgents message my-agent "Write the report." --background --deadline 3600 --tries 3
    """
    from kgents_cli.conversation import Sent, begin_run, send_message

    deadline_s, attempts = terms["deadline"], terms["tries"]
    sent = Sent(text, conversation, images)
    if not background:
        if deadline_s is not None or attempts is not None:
            raise click.UsageError("--deadline and --tries are for runs in the background: add --background.")
        send_message(agent, sent, go_on=go_on, as_json=as_json)
        return
    if go_on:
        raise click.UsageError("--background takes --conversation, not --continue.")
    asked = {"deadline_s": deadline_s, "retry": None if attempts is None else {"attempts": attempts}}
    begin_run(agent, sent, terms={name: value for name, value in asked.items() if value is not None}, as_json=as_json)
