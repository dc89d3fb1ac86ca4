"""What is measured: an endpoint that answers messages, and the processes that do it."""

import contextlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.child_process import python_module
from benchmarks.load.figures import LoadFigures, LoadPlan
from benchmarks.load.generator import run_load_process
from benchmarks.process_tree import cpu_seconds
from platform_host.embedded.postgres import EmbeddedPostgres

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Candidate:
    """`roots` are the pids whose trees do the work, the database's among them; the model server is in none."""

    name: str
    port: int
    path: str
    roots: tuple[int, ...]
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    remembers: bool = True


@dataclass(frozen=True, slots=True)
class Load:
    """How a candidate is loaded: callers at once, messages per conversation, and for how long."""

    name: str
    concurrency: int
    turns: int
    seconds: float
    max_messages: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement of one candidate under one load."""

    candidate: str
    load: str
    figures: LoadFigures
    cpu_ms_per_message: float


class WrongAnswers(Exception):
    """A candidate answered wrongly or not at all under load: its figures would mean nothing."""


async def measure(candidate: Candidate, load: Load) -> Sample:
    """Load the candidate and count the CPU of all its processes meanwhile. Raises WrongAnswers."""
    plan = LoadPlan(
        host=HOST,
        port=candidate.port,
        path=candidate.path,
        headers=candidate.headers,
        concurrency=load.concurrency,
        seconds=load.seconds,
        max_messages=load.max_messages,
        turns=load.turns,
        remembers=candidate.remembers,
    )
    before = cpu_seconds(candidate.roots)
    figures = await run_load_process(plan)
    spent = cpu_seconds(candidate.roots) - before
    if figures.errors or not figures.messages:
        first = "; ".join(figures.first_errors)
        raise WrongAnswers(
            f"{candidate.name}, {load.name}: {figures.errors} errors, {figures.messages} good answers: {first}"
        )
    return Sample(candidate.name, load.name, figures, spent * 1000 / figures.messages)


@contextlib.asynccontextmanager
async def model_server(folder: Path) -> AsyncGenerator[str]:
    """The model server without latency, as a process; its base URL."""
    module = "kgents_shared.testing.model_server"
    async with python_module(module, log=folder / "model_server.log") as (_, told):
        yield str(told["base_url"])


@contextlib.asynccontextmanager
async def reference_b(folder: Path, model_url: str) -> AsyncGenerator[Candidate]:
    """FastAPI and one httpx call to the model."""
    module = "benchmarks.references.floor"
    log = folder / "reference_b.log"
    async with python_module(module, "--model-url", model_url, log=log) as (pid, told):
        yield Candidate("B", int(str(told["port"])), "/message", (pid,), remembers=False)


@contextlib.asynccontextmanager
async def reference_a(folder: Path, model_url: str) -> AsyncGenerator[Candidate]:
    """FastAPI, `create_agent` and `AsyncPostgresSaver` on a PostgreSQL with the platform's settings."""
    module = "benchmarks.references.langchain_agent"
    log = folder / "reference_a.log"
    async with EmbeddedPostgres(folder / "reference_a_postgres") as database:
        assert database.pid is not None
        options = ("--model-url", model_url, "--database-url", database.url)
        async with python_module(module, *options, log=log) as (pid, told):
            yield Candidate("A", int(str(told["port"])), "/message", (pid, database.pid))
