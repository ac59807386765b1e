"""A peer between a transport that pushes and a session that pulls: order, ends, and both kinds of back-pressure."""

from __future__ import annotations

import asyncio

import pytest

from cryptomap.transport import Peer, PeerLost
from support.loop_clock import LoopClock


class Recorder:
    """A channel that writes down what it is told."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.sent = b""

    def write(self, data: bytes) -> None:
        self.sent += data

    def pause_reading(self) -> None:
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.calls.append("resume")

    def close(self) -> None:
        self.calls.append("close")

    def abort(self) -> None:
        self.calls.append("abort")


def make_peer() -> tuple[Peer, Recorder]:
    channel = Recorder()
    peer = Peer(channel, user="fred", address="192.0.2.1", transport="netconf-ssh", slow_reader_timeout=60)
    return peer, channel


async def test_reads_what_has_arrived_then_waits_then_ends():
    peer, _ = make_peer()
    peer.data_received(b"one ")
    peer.data_received(b"two")
    assert await peer.read() == b"one two"
    reading = asyncio.create_task(peer.read())
    await asyncio.sleep(0)
    assert not reading.done()
    peer.data_received(b"three")
    peer.eof_received()
    assert await reading == b"three"
    assert await peer.read() == b""
    assert await peer.read() == b""


async def test_a_client_that_sends_faster_than_we_read_is_stopped():
    peer, channel = make_peer()
    for _ in range(20):
        peer.data_received(b"x" * 32768)
    assert channel.calls == ["pause"]
    assert len(await peer.read()) == 20 * 32768
    assert channel.calls == ["pause", "resume"]


async def test_a_write_waits_for_a_slow_client():
    peer, channel = make_peer()
    peer.pause_writing()
    writing = asyncio.create_task(peer.write(b"x" * 600_000))
    await asyncio.sleep(0)
    assert len(channel.sent) < 600_000
    peer.resume_writing()
    await writing
    assert len(channel.sent) == 600_000


async def test_a_client_that_does_not_read_is_dropped():
    clock = LoopClock()
    peer, channel = make_peer()
    peer.pause_writing()
    writing = asyncio.create_task(peer.write(b"x"))
    await asyncio.sleep(0)
    clock.put_forward(59)
    await asyncio.sleep(0)
    assert not writing.done()
    clock.put_forward(1)
    with pytest.raises(PeerLost, match="did not read for 60 s"):
        await writing
    assert channel.calls == ["abort"]
    assert await peer.read() == b""
    with pytest.raises(PeerLost):
        await peer.write(b"y")


async def test_a_lost_connection_wakes_reader_and_writer():
    peer, _ = make_peer()
    peer.pause_writing()
    reading, writing = asyncio.create_task(peer.read()), asyncio.create_task(peer.write(b"x"))
    await asyncio.sleep(0)
    peer.connection_lost(ConnectionResetError("reset"))
    assert await reading == b""
    with pytest.raises(PeerLost, match="reset"):
        await writing


async def test_close_waits_until_the_transport_has_closed():
    peer, channel = make_peer()
    closing = asyncio.create_task(peer.close("done"))
    await asyncio.sleep(0)
    assert channel.calls == ["close"]
    assert not closing.done()
    peer.connection_lost(None)
    await closing
    await peer.close("again")
    assert channel.calls == ["close"]
