"""The page about policies says what holds."""

import re
from pathlib import Path

import pytest

from kgents_shared.policies.documents import MAX_RULES, MAX_STARS, MAX_TEXT, examine
from kgents_shared.policies.schema import schema_text
from kgents_shared.policies.tokens import MAX_DEPTH

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "policies.md").read_text("utf-8")
EXAMPLES = re.findall(r"```cedar\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_is_a_policy(number: int) -> None:
    assert examine(EXAMPLES[number]).faults == []


def test_the_page_has_examples_all_names_of_the_schema_and_its_limits() -> None:
    assert len(EXAMPLES) == 3
    names = set(re.findall(r"^\s*(\w+): ", re.sub(r"//[^\n]*", "", schema_text()), re.MULTILINE))
    assert not [name for name in names - {"principal", "resource", "context"} if name not in PAGE]
    assert (
        f"{MAX_TEXT:,} characters and {MAX_RULES} rules each, nested {MAX_DEPTH} deep, {MAX_STARS} stars a pattern"
        in PAGE
    )
