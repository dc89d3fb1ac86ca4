"""`kgents explain`."""

import click


@click.command()
@click.argument("code", metavar="CODE")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(code: str, as_json: bool) -> None:
    """Say what a code of a fault or refusal means, and what to do.

    Codes stand in brackets behind the faults that `kgents validate` prints, and as `code` in each refusal of the API.

    \b
    Examples:
      kgents explain extra_forbidden
      kgents explain agent_starting --json
    """
    import difflib
    import json

    from kgents_cli.faults import BadInput
    from kgents_shared.errors.catalogue import known_codes

    codes = known_codes()
    found = codes.get(code)
    if found is None:
        near = difflib.get_close_matches(code, codes, n=1)
        hint = f"did you mean {near[0]}?" if near else "docs/errors.md lists them all"
        raise BadInput(f"there is no code {code!r}", hint=hint)
    if as_json:
        click.echo(json.dumps({"code": code, "group": found.group, "means": found.means, "remedy": found.remedy}))
    else:
        click.echo(f"{code} ({found.group})\n  {found.means}\n  → {found.remedy}")
