"""Work aside from the event loop: who computes takes turns, and nobody is kept waiting by somebody else's filter."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import islice

import pytest_asyncio

from cryptomap.data.turns import FEW, TRIAL, few, give_way, waiting
from cryptomap.operations import Limits
from cryptomap.operations.aside import BEGINNING, Aside, begun
from support.lab import PATIENCE, Client, Lab, door, errors

OpenLab = Callable[..., Awaitable[Lab]]

HOSTILE = """<get-config><source><candidate/></source>
  <filter type="xpath" select="//*[count(//*[count(//*) = 0]) = 1]"/></get-config>"""


@pytest_asyncio.fixture
async def aside() -> AsyncIterator[Aside]:
    made = Aside()
    async with asyncio.timeout(PATIENCE):
        yield made
    made.close()


# ===== turns =====


async def test_whoever_computes_for_long_gives_way(aside: Aside) -> None:
    came = threading.Event()

    def until_the_other_came() -> None:
        while not came.is_set():
            give_way()

    await asyncio.gather(aside.run(until_the_other_came), aside.run(came.set))


async def test_whoever_waits_leaves_the_turn_to_others(aside: Aside) -> None:
    came = threading.Event()

    def until_the_other_came() -> bool:
        with waiting():
            return came.wait(PATIENCE)

    assert await asyncio.gather(aside.run(until_the_other_came), aside.run(came.set)) == [True, None]


async def test_whoever_does_not_give_way_holds_nobody_up_for_ever(aside: Aside) -> None:
    came = threading.Event()
    assert await asyncio.gather(aside.run(came.wait, PATIENCE), aside.run(came.set)) == [True, None]


async def test_what_nobody_waits_for_any_more_ends(aside: Aside) -> None:
    loop, begun, ended = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

    def endless() -> None:
        loop.call_soon_threadsafe(begun.set)
        try:
            while True:
                give_way()
        finally:
            loop.call_soon_threadsafe(ended.set)

    task = asyncio.create_task(aside.run(endless))
    await begun.wait()
    task.cancel()
    await ended.wait()


async def test_only_a_few_need_much_memory_at_once_and_others_go_on(aside: Aside) -> None:
    loop, full, go_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()
    inside: list[int] = []
    most: list[int] = []

    def large(number: int) -> None:
        with few():
            inside.append(number)
            most.append(len(inside))
            if len(inside) == FEW:
                loop.call_soon_threadsafe(full.set)
            with waiting():
                go_on.wait(PATIENCE)
            inside.remove(number)

    tasks = [asyncio.create_task(aside.run(large, number)) for number in range(3 * FEW)]
    await full.wait()
    assert await aside.run(lambda: "small") == "small"
    go_on.set()
    await asyncio.gather(*tasks)
    assert len(most) == 3 * FEW
    assert max(most) == FEW


async def test_without_a_turn_nothing_is_given_away() -> None:
    give_way()
    with waiting(), few():
        pass


# ===== short reads =====


async def test_a_short_read_is_done_at_once_and_a_long_one_aside(aside: Aside) -> None:
    async def threads(read: Callable[[], None]) -> list[bool]:
        """Whether it was tried on the loop's thread, and then on another."""
        tried: list[bool] = []

        def noted() -> None:
            tried.append(threading.get_ident() == threading.main_thread().ident)
            read()

        await aside.read(noted)
        return tried

    def long() -> None:
        end = time.monotonic() + 2 * TRIAL
        while time.monotonic() < end:
            give_way()

    def waits() -> None:
        with waiting():
            pass

    def large() -> None:
        with few():
            pass

    assert await threads(give_way) == [True]
    assert await threads(long) == [True, False]
    assert await threads(waits) == [True, False]
    assert await threads(large) == [True, False]


# ===== slices =====


async def test_a_short_reply_is_made_at_once_and_a_long_one_when_it_is_taken(aside: Aside) -> None:
    assert begun(iter([b"a", b"b"])) == (b"a", b"b")
    endless = begun(iter(lambda: b"x" * BEGINNING, b""))
    assert not isinstance(endless, tuple)
    assert len(list(islice(endless, 3))) == 3


async def test_slices_are_made_on_another_thread(aside: Aside) -> None:
    threads: set[int] = set()

    def made() -> AsyncIterator[bytes]:
        def pieces():  # type: ignore[no-untyped-def]
            for piece in (b"a", b"b"):
                threads.add(threading.get_ident())
                yield piece

        return aside.slices(pieces())

    assert [piece async for piece in made()] == [b"a", b"b"]
    assert threads
    assert threading.get_ident() not in threads


# ===== a server =====


async def filled(lab: Lab) -> Client:
    client = await lab.connect("mallory")
    await client.edit("".join(door(f"d{number:03}") for number in range(300)))
    return client


async def test_a_hostile_filter_delays_nobody_and_ends_at_its_limit(start: OpenLab) -> None:
    lab = await start(limits=Limits(xpath_nodes=60_000))
    mallory, bob = await filled(lab), await lab.connect("bob")
    mallory.ask(HOSTILE)
    answer = asyncio.create_task(mallory.receive())
    reads = 0
    while not answer.done():
        assert await bob.doors() == ""
        reads += 1
    assert reads > 5
    assert "looks at more than 60000 nodes" in errors(mallory.inside(answer.result()))[0].message


async def test_the_end_of_a_session_ends_its_filter(start: OpenLab) -> None:
    lab = await start(limits=Limits(xpath_nodes=10**12))
    mallory, root = await filled(lab), await lab.connect("root")
    mallory.ask(HOSTILE)
    assert await root.doors() == ""
    assert await root.rpc(f"<kill-session><session-id>{mallory.session_id}</session-id></kill-session>") == "<ok/>"
    assert "killed" in await mallory.closed()
