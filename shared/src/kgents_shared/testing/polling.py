"""Waiting in tests: ask again until it holds, with a deadline, never a bare sleep."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

T = TypeVar("T")


async def eventually(
    check: Callable[[], T | Awaitable[T]],
    timeout: float = 60.0,  # noqa: ASYNC109 - the deadline belongs to the polling, and its end is an AssertionError
    interval: float = 0.02,
    describe: str = "",
    retry_on: tuple[type[Exception], ...] = (),
) -> T:
    """Call `check` every `interval` seconds until it holds, and return what it returned.

    It holds when it returns something truthy, or, for a function annotated `-> None` (its body asserts), when
    it returns at all. An AssertionError, or an error of the types in `retry_on`, means "not yet"; any other error
    is raised at once. After `timeout` seconds an AssertionError tells `describe` and the last thing seen.
    """
    asserts_inside = _is_annotated_none(check)
    deadline = time.monotonic() + timeout
    while True:
        last_error: Exception | None = None
        value: object = None
        try:
            result = await _outcome(check)
            if asserts_inside or result:
                return result
            value = result
        except (AssertionError, *retry_on) as error:
            last_error = error
        if time.monotonic() >= deadline:
            seen = f"last error: {last_error!r}" if last_error else f"last value: {value!r}"
            what = describe or getattr(check, "__qualname__", repr(check))
            raise AssertionError(f"{what}: not within {timeout} s; {seen}") from last_error
        await asyncio.sleep(interval)


async def _outcome(check: Callable[[], T | Awaitable[T]]) -> T:
    outcome = check()
    if inspect.isawaitable(outcome):
        return await cast("Awaitable[T]", outcome)
    return cast("T", outcome)


def _is_annotated_none(check: Callable[..., object]) -> bool:
    missing = object()
    annotation: object = getattr(check, "__annotations__", {}).get("return", missing)
    return annotation is None or annotation == "None"
