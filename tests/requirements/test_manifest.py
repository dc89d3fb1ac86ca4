"""The manifest of requirements and the tests agree, both ways."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("manifest.toml").read_text("utf-8"))[
    "requirement"
]
NAMED = {test for row in REQUIREMENTS for test in row.get("tests", ())}


def names_of_tests(path: Path) -> set[str]:
    return set(re.findall(r"^ *(?:async )?def (test_\w+)", path.read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize("row", REQUIREMENTS, ids=[row["id"] for row in REQUIREMENTS])
def test_a_requirement_names_tests_that_exist(row: dict[str, Any]):
    assert row.get("tests") or row.get("later"), "neither shown nor planned"
    for test in row.get("tests", ()):
        file, _, name = test.partition("::")
        assert name in names_of_tests(ROOT / file), f"{test} is not there"


def test_no_requirement_is_listed_twice():
    ids = [row["id"] for row in REQUIREMENTS]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("folder", ["tests/e2e", "tests/chaos"])
def test_every_end_to_end_test_shows_a_requirement(folder: str):
    here = {
        f"{path.relative_to(ROOT)}::{name}"
        for path in (ROOT / folder).glob("test_*.py")
        for name in names_of_tests(path)
    }
    assert here <= NAMED, sorted(here - NAMED)
