"""`kgents doctor`."""

import json
import sys
from dataclasses import asdict

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def command(as_json: bool) -> int:
    """Check what this machine offers and say how to fix what is missing. Exit code 1 if something must be fixed.

    \b
    Examples:
      kgents doctor
      kgents doctor --json
    """
    from kgents_cli.examination import examine
    from kgents_cli.home import Home
    from kgents_cli.terminal import progress, style

    with progress("looking at this machine"):
        findings = examine(Home.from_environment())
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings]))
    else:
        colours = {"ok": "green", "warn": "yellow", "fail": "red"}
        for finding in findings:
            mark = style(f"{finding.level:4}", colours[finding.level], sys.stdout)
            click.echo(f"{mark}  {finding.name:22} {finding.detail}")
            if finding.fix:
                click.echo(f"      {'':22} → {finding.fix}")
    return 1 if any(finding.level == "fail" for finding in findings) else 0
