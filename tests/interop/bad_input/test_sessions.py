"""Sessions that begin, end or read in odd ways: the server goes on, and nothing is half done."""

from __future__ import annotations

import asyncio

import pytest

from support.bad_input import mapping
from support.server import PATIENCE, Daemon
from support.state import NS
from support.wire import BASE, END, HELLO, Wire, open_wire, session
from support.world import Gatekeeper, Hold, WorldProcess


async def test_an_rpc_before_the_hello_ends_the_session(server: Daemon) -> None:
    async with open_wire(server) as wire:
        await wire.send(f'<rpc xmlns="{BASE}" message-id="1"><get/></rpc>')
        assert b"rpc-reply" not in await wire.closed()


async def test_no_hello_at_all_ends_the_session(server: Daemon) -> None:
    async with open_wire(server) as wire:
        assert (await wire.closed()).endswith(END)
    assert "no hello within 2 s" in server.log.read_text()


@pytest.mark.parametrize(
    "hello",
    [
        HELLO % "3.0",
        f'<hello xmlns="{BASE}"/>',
        "<hello/>",
        (HELLO % "1.1").replace("</hello>", "<session-id>4</session-id></hello>"),
        "<!DOCTYPE hello>" + HELLO % "1.1",
    ],
    ids=["no common base", "no capabilities", "no namespace", "with a session-id", "with a document type"],
)
async def test_a_bad_hello_ends_the_session(server: Daemon, hello: str) -> None:
    async with open_wire(server) as wire:
        await wire.send(hello)
        assert b"rpc-reply" not in await wire.closed()


async def test_bytes_in_any_portions(server: Daemon) -> None:
    """Not wrong at all: every byte in a write of its own."""
    async with open_wire(server) as wire:
        for byte in (HELLO % "1.1").encode() + END:
            await wire.send_bytes(bytes([byte]))
        wire.hello = (await wire.until(rb"(.*?)\]\]>\]\]>"))[1].decode()
        wire.base = "1.1"
        for byte in wire.framed(f'<rpc xmlns="{BASE}" message-id="1"><discard-changes/></rpc>'):
            await wire.send_bytes(bytes([byte]))
        assert "<ok/>" in await wire.receive()


async def test_a_session_that_is_dropped_in_the_middle_of_a_message(server: Daemon) -> None:
    async with open_wire(server) as wire:
        await wire.greet()
        await wire.send_bytes(b"\n#1000\n<rpc ")
        wire.drop()


LOCK = "<lock><target><candidate/></target></lock>"
UNLOCK = "<unlock><target><candidate/></target></unlock>"


async def dropped_in_a_commit(server: Daemon, keeper: Gatekeeper, edit: str) -> Hold:
    """A session that goes away while the gateway applies its commit; the gateway's answer is still held."""
    async with open_wire(server) as wire:
        await wire.greet()
        await wire.do(LOCK)
        assert await wire.edit(edit) == "<ok/>"
        hold = keeper.hold("apply", after=True)
        await wire.ask("<commit/>")
        await asyncio.to_thread(hold.wait)
        wire.drop()
    return hold


async def when_free(wire: Wire) -> None:
    """Lock the candidate as soon as the server has noticed that the session that held it is gone."""
    async with asyncio.timeout(PATIENCE):
        while await wire.rpc(LOCK) != "<ok/>":
            pass


async def test_a_session_that_is_dropped_in_the_middle_of_a_commit(
    server: Daemon, keeper: Gatekeeper, world: WorldProcess
) -> None:
    """The commit is wholly done; the lock of its session is gone."""
    hold = await dropped_in_a_commit(server, keeper, mapping("create"))
    hold.release()
    async with session(server) as other:
        await when_free(other)
        assert "<dscp>10</dscp><cos>3</cos>" in await other.get_config()
        assert await other.get_config("candidate") == await other.get_config()
        assert world.remote.held().l2.dscp_to_cos[10] == 3
        assert await other.edit(mapping("delete")) == "<ok/>"
        await other.do("<commit/>")
        await other.do(UNLOCK)


async def test_a_commit_whose_session_and_gateway_are_lost(server: Daemon, keeper: Gatekeeper) -> None:
    """Nobody knows what the gateway did. It is brought to running before the next commit, and that is unchanged."""
    hold = await dropped_in_a_commit(server, keeper, mapping("create"))
    hold.drop()
    async with session(server) as other:
        await when_free(other)
        await other.do("<commit/>")
        await other.do(UNLOCK)


async def test_many_sessions_that_are_dropped(server: Daemon) -> None:
    for _ in range(20):
        async with open_wire(server) as wire:
            await wire.greet()
            await wire.ask("<get/>")
            wire.drop()


async def test_thousands_of_requests_without_reading(server: Daemon) -> None:
    """The server stops reading from a client that does not read, serves others, and goes on when the client does."""
    count = 3000
    async with open_wire(server) as wire:
        await wire.greet()

        async def send() -> None:
            for _ in range(count):
                await wire.ask("<get-config><source><running/></source></get-config>")

        sending = asyncio.create_task(send())
        async with session(server) as other:
            assert "foo0" in await other.get_config()
        for number in range(1, count + 1):
            assert f'message-id="{number}"' in (await wire.receive())[:200]
        await sending


async def test_a_client_that_never_reads_is_dropped(server: Daemon) -> None:
    async with session(server) as watching, open_wire(server) as wire:
        await watching.do(f'<create-subscription xmlns="{NS["ncn"]}"/>')
        await wire.greet()
        for _ in range(200):  # far more in replies than what a connection can hold
            await wire.ask("<get/>")
        end = f"<session-id>{wire.session_id}</session-id>"
        told = ""
        while "<netconf-session-end" not in told or end not in told:
            told = await watching.receive()
        assert "<termination-reason>dropped</termination-reason>" in told
    assert "the client did not read for 2 s" in server.log.read_text()
