"""`components.json`: which components the pinned Langflow has, made of an installed or unpacked `lfx`.

`python -m kgents_shared.definitions.flows.making_catalogue FOLDER`, where FOLDER is the package `lfx` of the version.
Only names and hashes are taken over.
"""

import ast
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

CATALOGUE = Path(__file__).with_name("components.json")
_RUN_CODE = "CODE_EXECUTION_COMPONENT_TYPES"
_OTHER_NAMES = "LEGACY_TYPE_ALIASES"


def catalogue_of(lfx: Path) -> dict[str, Any]:
    """The catalogue of one version of `lfx`."""
    index = json.loads((lfx / "_assets" / "component_index.json").read_text(encoding="utf-8"))
    history = json.loads((lfx / "_assets" / "stable_hash_history.json").read_text(encoding="utf-8"))
    components = {
        name: hashlib.sha256(component["template"]["code"]["value"].encode()).hexdigest()
        for _, group in index["entries"]
        for name, component in group.items()
    }
    run_code = cast("set[str]", _literal(lfx / "utils" / "flow_validation.py", _RUN_CODE))
    others = cast("dict[str, str]", _literal(lfx / "utils" / "component_aliases.py", _OTHER_NAMES))
    return {
        "version": index["version"],
        "components": dict(sorted(components.items())),
        "run_code": sorted(run_code & components.keys()),
        "other_names": {name: meant for name, meant in sorted(others.items()) if meant in components},
        "elsewhere": sorted(history.keys() - components.keys()),
    }


def _literal(file: Path, name: str) -> object:
    """The value of a module's constant, without importing it."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
            value = node.value
            if isinstance(value, ast.Call):  # frozenset({…})
                value = value.args[0]
            if value is not None:
                return ast.literal_eval(value)
    raise ValueError(f"{file} has no {name}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write `components.json`."""
    (folder,) = sys.argv[1:] if arguments is None else arguments
    CATALOGUE.write_text(json.dumps(catalogue_of(Path(folder)), indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
