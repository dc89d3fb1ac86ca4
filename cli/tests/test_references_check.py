"""The pages that are made of the sources are current, and no code is answered that nobody explains."""

from __future__ import annotations

from pathlib import Path

import pytest

from kgents_cli.checks import references
from kgents_cli.checks.codes import codes_in, sources
from kgents_cli.home import require_checkout
from kgents_shared.errors.catalogue import known_codes

ROOT = require_checkout("this test")


def test_the_checkout_is_current():
    assert references.disagreements(ROOT) == []


def test_a_page_that_is_out_of_date_and_a_code_that_only_one_side_knows_are_told(tmp_path: Path):
    module = tmp_path / "some_service/src/some_service/errors.py"
    module.parent.mkdir(parents=True)
    module.write_text('class Odd(Conflict):\n    default_code = "odd_thing"\n')
    (tmp_path / "docs").mkdir()
    for name, text in references.pages().items():
        (tmp_path / name).write_text(text)
    (tmp_path / "docs/errors.md").write_text("old")
    faults = references.disagreements(tmp_path)
    assert "docs/errors.md is out of date: python -m kgents_cli.checks.references --write" in faults
    assert "odd_thing: raised, but not in catalogue.toml" in faults
    assert "agent_not_found: in catalogue.toml, but nothing answers with it" in faults
    assert not any(fault.startswith("docs/agent") for fault in faults)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ('raise NotFound("x", code="by_keyword")', {"by_keyword"}),
        ('FaultItem(("x",), "msg", "by_place", None)', {"by_place"}),
        ('PydanticCustomError("first", "msg")', {"first"}),
        ('NAMED = "by_name"\nraise Conflict("x", code=NAMED)', {"by_name"}),
        ('Conflict("x", code="one" if a else "other")', {"one", "other"}),
        ('def _fault(field: str, code: str): ...\n_fault("x", "through_own")', {"through_own"}),
        ('class A:\n    def __init__(self, *, code: str = "by_default"): ...', {"by_default"}),
        ('print("just text")', set[str]()),
    ],
    ids=range(8),
)
def test_codes_are_found_where_errors_are_made(tmp_path: Path, code: str, found: set[str]):
    module = tmp_path / "module.py"
    module.write_text(code)
    assert codes_in(module) == found


def test_the_sources_of_every_service_are_read_and_no_test_is():
    read = {file.relative_to(ROOT).parts[0] for file in sources(ROOT)}
    assert {"shared", "auth_service", "agent_management_service", "agent_runtime_service"} <= read
    assert not any("tests" in file.parts or "testing" in file.parts for file in sources(ROOT))
    assert len(known_codes()) > 200
