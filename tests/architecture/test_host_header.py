"""What a request is about is never read out of `request.url`: the Host that the caller names is part of that.

One with `?`, `#` or `/` in it shifts the path (CVE-2026-48710). `request.scope["path"]` is what was routed.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kgents_shared.http.service import installed_services

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = [
    ROOT / package / "src"
    for package in ("shared", "platform_host", *(row.package for row in installed_services().values()))
]
# Outgoing requests, whose address is ours.
CLIENTS = {
    f"tool_registry_service/src/tool_registry_service/{file}.py"
    for file in (
        "authorization/flow",
        "http_tools/exchange",
        "http_tools/executor",
        "http_tools/secrets",
        "outgoing/transport",
    )
} | {"agent_runtime_service/src/agent_runtime_service/remote/transport.py"}
BUILT_FROM_HOST = re.compile(r"request\.(?:url|base_url)\b|\burl_for\(")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_nothing_is_read_out_of_an_address_that_the_caller_can_shift(folder: Path):
    files = [file for file in folder.rglob("*.py") if str(file.relative_to(ROOT)) not in CLIENTS]
    assert files
    assert [str(file.relative_to(ROOT)) for file in files if BUILT_FROM_HOST.search(file.read_text("utf-8"))] == []
