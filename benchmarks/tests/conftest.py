"""What the benchmarks start runs unmeasured: counting lines would make it half as fast, and shows nothing here."""

import os

import pytest


@pytest.fixture(autouse=True)
def _no_coverage_of_what_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("COVERAGE_", "COV_"))]:
        monkeypatch.delenv(name)
