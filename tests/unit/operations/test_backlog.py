"""The queue between reading requests and performing them."""

from __future__ import annotations

import asyncio

import pytest

from cryptomap.netconf.events import ConnectionLost
from cryptomap.operations.backlog import Backlog

EVENT = ConnectionLost(clean=True)


async def is_waiting(backlog: Backlog, size: int) -> bool:
    """Whether another put would have to wait; it is taken back then."""
    put = asyncio.create_task(backlog.put(EVENT, size))
    await asyncio.sleep(0)
    if put.done():
        return False
    put.cancel()
    return True


@pytest.mark.parametrize(
    ("before", "size", "waits"),
    [
        ([], 1000, False),  # one always fits
        ([10], 10, False),
        ([10], 91, True),
        ([100], 0, False),
        ([1, 1, 1], 1, True),  # three at most
    ],
)
async def test_room(before: list[int], size: int, waits: bool) -> None:
    backlog = Backlog(most=3, most_bytes=100)
    for earlier in before:
        await backlog.put(EVENT, earlier)
    assert await is_waiting(backlog, size) is waits


async def test_what_was_taken_makes_room() -> None:
    backlog = Backlog(most=3, most_bytes=100)
    await backlog.put(EVENT, 100)
    later = asyncio.create_task(backlog.put(EVENT, 100))
    await backlog.get()
    await later
    await backlog.get()
    assert len(backlog) == 0
    await backlog.put(EVENT, 60)
    assert await is_waiting(backlog, 40) is False


async def test_get_waits_for_something() -> None:
    backlog = Backlog(most=3, most_bytes=100)
    taken = asyncio.create_task(backlog.get())
    await asyncio.sleep(0)
    assert not taken.done()
    await backlog.put(EVENT, 1)
    assert await taken == (EVENT, 1)
