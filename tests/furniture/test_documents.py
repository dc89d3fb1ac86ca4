"""What stands beside the code: licence, changelog, decisions, CI, hooks, the systemd unit; links lead somewhere."""

from __future__ import annotations

import getpass
import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "infrastructure" / "kgents.service"
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/**/*.md"),
    *ROOT.glob("*_service/README.md"),
    *(ROOT / part / "README.md" for part in ("cli", "gateway", "platform_host", "shared")),
]
SECURITY = ROOT / "docs" / "security.md"
TEST = re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)
ADRS = sorted((ROOT / "docs" / "adr").glob("*.md"))


def test_the_licence_is_the_apache_licence_word_for_word() -> None:
    digest = hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest()
    assert digest == "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


@pytest.mark.parametrize("document", DOCUMENTS, ids=[str(file.relative_to(ROOT)) for file in DOCUMENTS])
def test_every_link_within_the_repository_leads_somewhere(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (document.parent / target).exists(), target


def test_each_promise_of_safety_names_tests_that_are_there() -> None:
    rows = [line for line in SECURITY.read_text("utf-8").splitlines() if "`test_" in line]
    assert len(rows) > 15
    for row in rows:
        files = [SECURITY.parent / link for link in re.findall(r"\]\((\S+\.py)\)", row)]
        there = {name for file in files for name in TEST.findall(file.read_text("utf-8"))}
        assert set(re.findall(r"`(test_\w+)`", row)) <= there, row


def test_the_changelog_begins_with_what_is_not_released_yet() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", heading) for heading in headings[1:])
    kinds = set(re.findall(r"^### (.+)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_decisions_are_numbered_without_gaps_and_one_page_long() -> None:
    assert [file.name[:4] for file in ADRS] == [f"{number:04}" for number in range(1, len(ADRS) + 1)]
    for file in ADRS:
        lines = file.read_text("utf-8").splitlines()
        assert lines[0].startswith(f"# {int(file.name[:4])}. ")
        assert len(lines) <= 45, file.name


def test_ci_runs_the_readmes_test_command() -> None:
    workflow = cast("dict[Any, Any]", yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8")))
    steps = cast("list[dict[str, str]]", workflow["jobs"]["test"]["steps"])
    assert "./kgents test" in [step.get("run") for step in steps]
    assert "$ ./kgents test" in (ROOT / "README.md").read_text("utf-8")
    assert "./kgents test" in (ROOT / ".ci/run").read_text("utf-8")
    assert workflow["permissions"] == {"contents": "read"}


def test_the_commit_hooks_run_programs_that_are_there() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"][0]["hooks"]
    assert {"ruff-check", "ruff-format", "basedpyright"} <= {hook["id"] for hook in hooks}
    for hook in hooks:
        program = str(hook["entry"]).split()[0]
        assert (Path(sys.executable).parent / Path(program).name).exists(), program


def test_the_unit_starts_and_stops_the_embedded_host_as_its_own_user() -> None:
    text = UNIT.read_text("utf-8")
    for line in (
        "ExecStart=/opt/kgents/.venv/bin/python -P -m platform_host up",
        "Environment=KGENTS_HOME=/var/lib/kgents",
        "User=kgents",
        "KillSignal=SIGTERM",
        "NoNewPrivileges=yes",
        "StateDirectoryMode=0700",
    ):
        assert f"\n{line}\n" in text
    for directive in ("RestrictNamespaces", "ProtectKernelTunables", "ProtectKernelLogs", "SystemCallFilter"):
        assert not re.search(rf"^{directive}=", text, re.MULTILINE), f"{directive} keeps the sandboxes from being made"


def test_systemd_itself_takes_the_unit(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd-analyze on this machine; the unit was judged without it above")
    text = (
        UNIT.read_text("utf-8")
        .replace("/opt/kgents/.venv/bin/python", sys.executable)
        .replace("/opt/kgents", str(ROOT))
    )
    copy = tmp_path / "kgents.service"
    copy.write_text(text.replace("User=kgents\nGroup=kgents\n", f"User={getpass.getuser()}\n"), encoding="utf-8")
    command = [program, "verify", "--recursive-errors=no", str(copy)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 0, answer.stderr
    assert "kgents.service" not in answer.stderr
