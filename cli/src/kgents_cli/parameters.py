"""Types of parameters that several commands take."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click


class FilePath(click.Path):
    """A path of the user's. An empty one is refused: it would mean the folder that the command runs in."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(path_type=Path, **settings)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path; a usage error, which names the parameter, for none."""
        if value == "":
            self.fail("the path is empty", param, ctx)
        return super().convert(value, param, ctx)


class Slug(click.ParamType[str]):
    """An organisation's short name. An empty one is refused: the server would look for an organisation without name."""

    name = "slug"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name; a usage error, which names the parameter, for none."""
        if not value:
            self.fail("the organisation's name is empty: name one, or leave the option out", param, ctx)
        return str(value)


PROVIDERS = click.Choice(("openai", "anthropic", "google", "ollama", "localai", "openai-compatible", "echo"))


class Amount(click.ParamType[str]):
    """Money, as a decimal number."""

    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The amount; a usage error, which names the parameter, for anything else."""
        if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", str(value), re.ASCII) is None:
            self.fail(f"{value!r} is no amount: write one such as 2.50, with six decimals at most", param, ctx)
        return str(value)


def named_options(values: Mapping[str, Any]) -> dict[str, Any]:
    """What was named on the command line, without the options that were left out."""
    return {name: value for name, value in values.items() if value is not None and value != ()}
