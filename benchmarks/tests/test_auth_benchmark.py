import asyncio
import json
import os
from pathlib import Path

import pytest
from aiohttp import web

from benchmarks.auth import OURS, PUBLISHED, SIZING, main
from benchmarks.load.repeated import RepeatPlan, repeat


def test_a_short_run_measures_each_way_in_beside_the_published_sizing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    raw, markdown = tmp_path / "raw.json", tmp_path / "table.md"
    cores = os.sched_getaffinity(0)
    assert main(["--quick", "--json", str(raw), "--markdown", str(markdown)]) == 0
    assert os.sched_getaffinity(0) == cores
    samples = json.loads(raw.read_text())["samples"]
    assert [sample["what"] for sample in samples] == list(PUBLISHED)
    assert all(sample["figures"]["messages"] > 0 and sample["cpu_ms"] > 0 for sample in samples)
    assert markdown.read_text().startswith(f"|  | {SIZING} | {OURS} |")
    assert "password login (1/s on one vCPU)" in capsys.readouterr().out


async def asked(answer: web.Response, **plan: int) -> tuple[int, int, list[str], list[str]]:
    """Good and bad answers, what was said of the bad ones, and the bodies that came, of a server that says `answer`."""
    bodies: list[str] = []

    async def serve(request: web.Request) -> web.StreamResponse:
        bodies.append(await request.text())
        await asyncio.sleep(0)
        return web.json_response(text=answer.text, status=answer.status)

    app = web.Application()
    app.router.add_post("/token", serve)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = int(runner.addresses[0][1])
        given = {"concurrency": 2, "seconds": 20, "max_requests": 7, **plan}
        figures = await repeat(RepeatPlan("127.0.0.1", port, "/token", "text/plain", ["a", "b"], "token", **given))
    finally:
        await runner.cleanup()
    return figures.messages, figures.errors, list(figures.first_errors), bodies


async def test_every_body_is_sent_in_turn_until_there_were_enough():
    good, bad, _, bodies = await asked(web.json_response({"token": "x"}))
    assert (good, bad) == (7, 0)
    assert sorted(bodies) == ["a"] * 4 + ["b"] * 3


@pytest.mark.parametrize("answer", [web.json_response({"token": "x"}, status=429), web.json_response({"code": "busy"})])
async def test_an_answer_that_is_no_good_one_counts_as_none(answer: web.Response):
    good, bad, said, _ = await asked(answer)
    assert (good, bad) == (0, 7)
    assert said[0].startswith(f"status {answer.status}")


async def test_it_ends_with_its_time():
    assert (await asked(web.json_response({"token": "x"}), seconds=0))[0] == 0
