"""Short runs of the benchmarks that need a whole platform, on one that they share."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from benchmarks import agents, hot_reload, tools, wasm
from benchmarks.kgents_platform import KgentsPlatform, Started, started_platform


@pytest.fixture(scope="module")
async def started() -> AsyncGenerator[Started]:
    """One platform, which runs as long as the tests of this file do."""
    async with started_platform(tools.LOCAL_SERVER) as host:

        def again(more: Mapping[str, str] | None = None) -> AbstractAsyncContextManager[KgentsPlatform]:
            assert more in (None, tools.LOCAL_SERVER)
            return host.in_this_loop()

        yield again


def test_agents_are_reloaded_one_by_one_and_together(
    started: Started, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    raw, markdown = tmp_path / "raw.json", tmp_path / "table.md"
    assert hot_reload.main(["--quick", "--json", str(raw), "--markdown", str(markdown)], started) == 0
    measured = json.loads(raw.read_text())["times_ms"]
    each = (hot_reload.ANSWERS, hot_reload.TOLD, hot_reload.REFUSED, hot_reload.TOGETHER)
    assert {what: len(times) for what, times in measured.items()} == dict.fromkeys(each, 2)
    assert all(time > 0 for times in measured.values() for time in times)
    assert f"{hot_reload.ANSWERS}, p50 (ms)" in markdown.read_text()
    assert "2 agents saved at once" in capsys.readouterr().out


def test_both_kinds_of_tool_are_called(started: Started, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    raw, markdown = tmp_path / "raw.json", tmp_path / "table.md"
    assert tools.main(["--quick", "--json", str(raw), "--markdown", str(markdown)], started) == 0
    measured = json.loads(raw.read_text())["times_ms"]
    assert {what: len(times) for what, times in measured.items()} == {
        f"{tools.BUILTIN}, one at a time": 5,
        f"{tools.BUILTIN}, 16 at once": 32,
        f"{tools.LOCAL}, one at a time": 5,
        f"{tools.LOCAL}, 16 at once": 32,
    }
    assert all(time > 0 for times in measured.values() for time in times)
    assert f"{tools.LOCAL}, one at a time, p50 (ms)" in markdown.read_text()
    assert "calls/s" in capsys.readouterr().out


@pytest.mark.timeout(300)
def test_modules_are_called_in_the_pool_and_through_the_platform(
    started: Started, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    raw, markdown = tmp_path / "raw.json", tmp_path / "table.md"
    assert wasm.main(["--quick", "--json", str(raw), "--markdown", str(markdown)], started) == 0
    printed = capsys.readouterr().out
    measured = json.loads(raw.read_text())
    assert set(measured["per_second"]) == {wasm.CORE, wasm.PYTHON, wasm.JAVASCRIPT}
    assert set(measured["per_second"][wasm.CORE]) == {wasm.REFERENCE, wasm.OURS}
    assert all(time_ms > 0 for time_ms in measured["alone_ms"])
    assert f"{wasm.CORE}, in the pool (calls/s a core)" in printed
    assert f"{wasm.CORE}, through the platform, p50 (ms)" in markdown.read_text()


def test_the_hop_into_the_sandbox_is_measured_and_agents_beside_each_other(
    started: Started, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    raw, markdown = tmp_path / "raw.json", tmp_path / "table.md"
    assert agents.main(["--quick", "--json", str(raw), "--markdown", str(markdown)], started) == 0
    measured = json.loads(raw.read_text())
    assert {where: len(times) for where, times in measured["runs_ms"].items()} == {
        agents.OURS: 20,
        agents.IN_PROCESS: 20,
    }
    assert len(measured["replies_ms"]) == measured["agents"] == 2
    assert "added by isolation (ms)" in capsys.readouterr().out
    assert "2 agents: published until all answer" in markdown.read_text()
