"""The memory of requests that were not answered yet: what is shared, what is each session's own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from cryptomap.operations import Limits
from cryptomap.operations.received import ALLOWANCE, Received, cost
from support.lab import BASE, Lab

OpenLab = Callable[..., Awaitable[Lab]]


def test_up_to_the_limit_and_not_beyond() -> None:
    received = Received(100)
    one, other = received.share(), received.share()
    assert one.take(ALLOWANCE + 60)
    assert other.take(ALLOWANCE + 40)
    assert not other.take(1)
    assert received.used == 100
    one.give_back(1)
    assert other.take(1)


def test_the_allowance_is_there_also_when_all_is_taken() -> None:
    received = Received(100)
    assert received.share().take(ALLOWANCE + 100)
    poor = received.share()
    assert poor.take(ALLOWANCE)
    assert not poor.take(1)


def test_what_a_session_held_is_free_when_it_ends() -> None:
    received = Received(100)
    share = received.share()
    assert share.take(ALLOWANCE + 100)
    share.close()
    assert received.used == 0
    share.close()
    assert received.used == 0


def test_no_limit() -> None:
    assert Received(0).share().take(2**40)


@pytest.mark.parametrize(
    ("piece", "nodes"),
    [
        (b"<a></a>" * 1000, 1000 * 128 + 128),
        (b"<a/>" * 1000, 1000 * 128 + 128),
        (b"<a>t</a>" * 1000, 2000 * 128 + 128),
        (b"<a b='1' c='2'/>" * 1000, 1000 * (128 + 2 * 240) + 128),
        (b"x" * 1000, 0),
    ],
)
def test_what_is_parsed_costs_more_than_its_bytes(piece: bytes, nodes: int) -> None:
    """128 bytes for each element and text, 240 for each attribute. A text may follow, so that one counts already."""
    assert cost(piece) == len(piece) + nodes


def half(size: int) -> bytes:
    """The first part of a request that holds an element for each 7 bytes."""
    start = f'<rpc message-id="1" xmlns="{BASE}">'.encode() + b"<a></a>" * (size // 7)
    return b"\n#%d\n%b" % (len(start) + 1000, start)


async def test_a_session_that_takes_too_much_is_told_and_ended_and_others_go_on(start: OpenLab) -> None:
    lab = await start(limits=Limits(received=2_000_000))
    greedy, other = await lab.connect(), await lab.connect()
    for _ in range(3):
        more = await lab.connect()
        more.peer.put(half(8_000))
    greedy.peer.put(half(200_000))
    reply = await greedy.receive()
    assert "<error-tag>resource-denied</error-tag>" in reply
    assert "take more than 2000000 bytes" in await greedy.closed()
    assert lab.server.received.used == 0
    assert await other.doors() == ""


async def test_a_message_that_does_not_go_on_ends_its_session_only(start: OpenLab) -> None:
    lab = await start(limits=Limits(message_timeout=0.05))
    slow, other = await lab.connect(), await lab.connect()
    slow.peer.put(half(700))
    assert await slow.closed() == "a message was not complete after 0.05 s"
    assert await other.doors() == ""  # between two messages there is no hurry
