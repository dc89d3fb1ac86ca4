"""The pages and the schema that are made of the sources: `python -m kgents_cli.checks.references [--write]`.

`docs/errors.md` of the catalogue of codes, `docs/agent-reference.md` and `docs/agent.schema.json` of `AgentSpec`. 0 if
they say what the sources say, and each code that a source answers with stands in the catalogue.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from pydantic_core.core_schema import ErrorType

from kgents_cli.checks.codes import codes_in, sources, texts_in
from kgents_cli.home import require_checkout
from kgents_shared.definitions.reference import agent_reference
from kgents_shared.definitions.schema import agent_schema
from kgents_shared.errors.catalogue import error_reference, known_codes

# Made of two parts where they are raised, so that no source has them as one text.
_COMPOSED = frozenset({"json_syntax", "toml_syntax"})


def pages() -> Mapping[str, str]:
    """Each page by its path in the checkout, as the sources have it now."""
    return {
        "docs/errors.md": error_reference(),
        "docs/agent-reference.md": agent_reference(),
        "docs/agent.schema.json": json.dumps(agent_schema(), indent=2) + "\n",
    }


def disagreements(root: Path) -> list[str]:
    """A sentence for each page that is out of date, and for each code that only one side knows."""
    faults = [
        f"{name} is out of date: python -m kgents_cli.checks.references --write"
        for name, text in pages().items()
        if not (root / name).is_file() or (root / name).read_text(encoding="utf-8") != text
    ]
    files, known = sources(root), set(known_codes())
    raised = {code for file in files for code in codes_in(file)}
    possible = {text for file in files for text in texts_in(file)} | {*get_args(ErrorType), *_COMPOSED}
    faults += [f"{code}: raised, but not in catalogue.toml" for code in sorted(raised - known)]
    faults += [f"{code}: in catalogue.toml, but nothing answers with it" for code in sorted(known - possible)]
    return faults


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages, or say what is out of date; 1 if anything is."""
    root = require_checkout("lint references")
    if "--write" in (sys.argv[1:] if arguments is None else arguments):
        for name, text in pages().items():
            (root / name).write_text(text, encoding="utf-8")
    faults = disagreements(root)
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
