"""Which endpoint is called next and after how long: tables of what happens against what is done."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptomap.transport.reconnect import Schedule, Strategy


def story(schedule: Schedule, events: str) -> list[tuple[int, float]]:
    """Endpoint and wait after each of ``f`` (failed) and ``l`` (lost)."""
    steps = []
    for event in events:
        wait = schedule.failed() if event == "f" else schedule.lost()
        steps.append((schedule.index, wait))
    return steps


def never() -> float:
    return 0.0


def test_one_endpoint() -> None:
    schedule = Schedule(1, Strategy(max_attempts=2, back_off=1, back_off_limit=10), never)
    waits = [wait for _, wait in story(schedule, "fffffffffff")]
    assert waits == [1, 2, 1, 4, 1, 8, 1, 10, 1, 10, 1]


def test_each_endpoint_is_tried_before_the_waits_grow() -> None:
    schedule = Schedule(2, Strategy(max_attempts=2, back_off=1), never)
    assert schedule.index == 0
    assert story(schedule, "fffff") == [(0, 1), (1, 1), (1, 1), (0, 2), (0, 1)]


@pytest.mark.parametrize(("last_connected", "after"), [(False, 0), (True, 1)])
def test_where_a_lost_connection_is_sought(last_connected: bool, after: int) -> None:
    schedule = Schedule(3, Strategy(last_connected=last_connected, max_attempts=1, back_off=1), never)
    assert story(schedule, "fl") == [(1, 1), (after, 1)]


def test_a_connection_ends_the_long_waits() -> None:
    schedule = Schedule(1, Strategy(max_attempts=1, back_off=1, back_off_limit=60), never)
    assert [wait for _, wait in story(schedule, "ffflff")] == [2, 4, 8, 1, 2, 4]


@given(
    st.integers(1, 4),
    st.integers(1, 4),
    st.floats(0.1, 100),
    st.floats(0.1, 100),
    st.floats(0, 1),
    st.text("fl", max_size=200),
)
def test_no_wait_is_long_and_none_is_nothing(
    size: int, attempts: int, back_off: float, limit: float, chance: float, events: str
) -> None:
    strategy = Strategy(max_attempts=attempts, back_off=back_off, back_off_limit=limit)
    schedule = Schedule(size, strategy, lambda: chance)
    for index, wait in story(schedule, events):
        assert 0 <= index < size
        assert min(back_off, limit) / 2 <= wait <= limit


@given(st.integers(1, 4), st.integers(1, 4))
def test_all_endpoints_are_tried_in_turn(size: int, attempts: int) -> None:
    schedule = Schedule(size, Strategy(max_attempts=attempts), never)
    tried = []
    for _ in range(size * attempts):
        tried.append(schedule.index)
        schedule.failed()
    assert tried == [index for index in range(size) for _ in range(attempts)]
    assert schedule.index == 0
