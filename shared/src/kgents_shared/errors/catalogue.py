"""Every machine-readable code that the platform answers with: what it means and what to do.

The words stand in `catalogue.toml`; `docs/errors.md` is made of them.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, cast

_HEAD = """# Errors

Every refusal is a problem document (RFC 9457) with a `code` for programs, a sentence for people in `detail`, and for
input `errors`: each fault with its place (`loc`, and `line` and `column` where the input is a text), what is wrong
(`msg`), how to mend it (`hint`) and a `code` of its own. Codes stay as they are; sentences may change. `kgents explain
CODE` says the same as this page, which is made of `kgents_shared/errors/catalogue.toml` by `python -m
kgents_cli.checks.references --write`; `./kgents lint references` compares them, and both with the sources.
"""


@dataclass(frozen=True, slots=True)
class KnownCode:
    """One code: the group that it is told in, what it means, and what to do about it."""

    group: str
    means: str
    remedy: str


@cache
def known_codes() -> Mapping[str, KnownCode]:
    """All of them by code, in the catalogue's order."""
    return {code: KnownCode(group["title"], *words) for group in _groups() for code, words in group["codes"].items()}


def error_reference() -> str:
    """`docs/errors.md`."""
    parts = [_HEAD]
    for group in _groups():
        rows = [f"| `{code}` | {means} | {remedy} |" for code, (means, remedy) in group["codes"].items()]
        parts.append(
            f"## {group['title']}\n\n{group['about']}\n\n| code | means | what to do |\n|---|---|---|\n"
            + "\n".join(rows)
            + "\n"
        )
    return "\n".join(parts)


def _groups() -> list[dict[str, Any]]:
    text = resources.files("kgents_shared.errors").joinpath("catalogue.toml").read_text("utf-8")
    return cast("list[dict[str, Any]]", tomllib.loads(text)["group"])
