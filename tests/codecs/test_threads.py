"""The one map over threads: order, how much it takes ahead, errors, context."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from itertools import count, islice

import pytest

from laconic.codecs.threads import threaded_map

ASKED: ContextVar[str] = ContextVar("asked", default="nobody")


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_order(threads: int) -> None:
    first_may_end = threading.Event()

    def square(number: int) -> int:
        if number == 0 and threads > 1:
            assert first_may_end.wait(60)  # for the second, which others do meanwhile
        first_may_end.set()
        return number * number

    with threaded_map(threads) as run:
        assert list(run(square, range(20))) == [number * number for number in range(20)]
        assert list(run(str, ())) == []


@pytest.mark.parametrize(("threads", "ahead", "taken"), [(1, None, 3), (2, None, 5), (2, 7, 10)])
def test_no_more_is_taken_than_asked_for_and_ahead(threads: int, ahead: int | None, taken: int) -> None:
    seen: list[int] = []

    def numbers() -> Iterator[int]:
        for number in count():
            seen.append(number)
            yield number

    with threaded_map(threads, ahead=ahead) as run:
        assert list(islice(run(str, numbers()), 3)) == ["0", "1", "2"]
        assert len(seen) == taken


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_is_raised_in_its_place_and_the_rest_dropped(threads: int) -> None:
    done: list[int] = []

    def work(number: int) -> int:
        if number == 4:
            raise ValueError("the fifth")
        done.append(number)
        return number

    results: list[int] = []
    with pytest.raises(ValueError, match="the fifth"), threaded_map(threads) as run:
        results.extend(run(work, range(1000)))
    assert results == [0, 1, 2, 3]
    assert set(done) <= {0, 1, 2, 3, 5, 6, 7, 8}  # as far as three threads go ahead


def test_what_has_not_begun_is_dropped_at_the_end_of_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    may_go, all_busy = threading.Event(), threading.Event()
    begun: list[int] = []
    shut_down = ThreadPoolExecutor.shutdown

    def dropped_first(pool: ThreadPoolExecutor, *, cancel_futures: bool) -> None:
        shut_down(pool, wait=False, cancel_futures=cancel_futures)
        may_go.set()
        shut_down(pool)

    def work(number: int) -> int:
        begun.append(number)
        if len(begun) == 3:
            all_busy.set()
        assert number == 0 or may_go.wait(60)
        return number

    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", dropped_first)
    with threaded_map(2, ahead=50) as run:
        assert next(run(work, range(100))) == 0
        assert all_busy.wait(60)
    assert sorted(begun) == [0, 1, 2]


@pytest.mark.parametrize("threads", [1, 2])
def test_functions_see_the_context_of_the_caller(threads: int) -> None:
    token = ASKED.set("me")
    with threaded_map(threads) as run:
        assert list(run(lambda _: ASKED.get(), range(4))) == ["me"] * 4
    ASKED.reset(token)
