import pytest

from kgents_shared.testing.polling import eventually


async def test_it_returns_the_first_truthy_value():
    answers = iter([None, 0, "", "ready"])
    assert await eventually(lambda: next(answers), interval=0.001) == "ready"


async def test_an_async_check_that_asserts_passes_once_it_stops_failing():
    tries: list[int] = []

    async def third_time() -> None:
        tries.append(1)
        assert len(tries) == 3

    await eventually(third_time, interval=0.001)
    assert len(tries) == 3


async def test_none_from_a_lookup_is_not_success():
    found: dict[str, str] = {}
    with pytest.raises(AssertionError, match=r"the row appears: not within 0\.01 s; last value: None"):
        await eventually(lambda: found.get("row"), timeout=0.01, interval=0.001, describe="the row appears")


async def test_the_last_failed_assertion_is_told_and_chained():
    def never() -> None:
        raise AssertionError("still 3 of 5")

    with pytest.raises(AssertionError, match="still 3 of 5") as caught:
        await eventually(never, timeout=0.01, interval=0.001)
    assert isinstance(caught.value.__cause__, AssertionError)


async def test_other_errors_are_raised_at_once_unless_named():
    tries: list[int] = []

    def refused_twice() -> bool:
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionRefusedError
        return True

    with pytest.raises(ConnectionRefusedError):
        await eventually(refused_twice, interval=0.001)
    assert len(tries) == 1
    assert await eventually(refused_twice, interval=0.001, retry_on=(OSError,))
