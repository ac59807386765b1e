"""Much at once, and messages written in every way that XML and RFC 6242 allow, over SSH and against a real process."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from support.server import Daemon
from support.state import NS
from support.wire import BASE, Wire, channel, connection, open_wire, session

NACM = "urn:ietf:params:xml:ns:yang:ietf-netconf-acm"
NO_LIMITS = "[limits]\nsessions = 0\nsessions-per-user = 0\nsessions-per-address = 0\n"
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def server(make_daemon: Callable[..., Daemon]) -> Daemon:
    return make_daemon(settings=NO_LIMITS).start()


# ===== much at once =====


async def test_a_message_of_50_megabytes_and_a_reply_as_large(server: Daemon) -> None:
    comments = [f"{number:02}" + "c" * (MEGABYTE - 2) for number in range(50)]
    rules = "".join(f"<rule><name>{c[:2]}</name><action>deny</action><comment>{c}</comment></rule>" for c in comments)
    edit = f'<nacm xmlns="{NACM}"><rule-list><name>large</name>{rules}</rule-list></nacm>'
    async with session(server) as wire:
        assert await wire.edit(edit) == "<ok/>"
        candidate = await wire.get_config("candidate")
        await wire.do("<discard-changes/>")
    assert re.findall(r"<comment>([^<]*)</comment>", candidate) == comments


async def test_200_sessions_at_once(server: Daemon) -> None:
    """On ten connections: what is counted and limited is sessions."""
    async with AsyncExitStack() as stack:
        logins = [await stack.enter_async_context(connection(server)) for _ in range(10)]
        wires = [await channel(login) for login in logins for _ in range(20)]
        await asyncio.gather(*(wire.greet() for wire in wires))
        assert len({wire.session_id for wire in wires}) == 200
        await asyncio.gather(*(wire.do("<discard-changes/>") for wire in wires))
        shown = await wires[0].rpc(
            f'<get><filter><netconf-state xmlns="{NS["ncm"]}"><sessions/></netconf-state></filter></get>'
        )
        assert {int(found) for found in re.findall(r"<session-id>(\d+)<", shown)} >= {wire.session_id for wire in wires}


async def test_200_requests_in_one_go(server: Daemon) -> None:
    """Reads and edits, answered in their order, each by its own message-id."""
    async with session(server) as wire:
        requests = [REQUESTS[number % len(REQUESTS)] for number in range(200)]
        for number, (operation, _) in enumerate(requests):
            await wire.send(f'<rpc xmlns="{BASE}" message-id="{number}">{operation}</rpc>')
        for number, (_, wanted) in enumerate(requests):
            reply = await wire.receive()
            assert f'message-id="{number}"' in reply
            assert wanted in reply


RULE_LIST = f'<nacm xmlns="{NACM}"><rule-list><name>%s</name></rule-list></nacm>'
REQUESTS = [
    (f"<edit-config><target><candidate/></target><config>{RULE_LIST % 'load'}</config></edit-config>", "<ok/>"),
    ("<get-config><source><candidate/></source></get-config>", "<name>load</name>"),
    ("<discard-changes/>", "<ok/>"),
    ("<get-config><source><candidate/></source></get-config>", "<data"),
    ("<lock><target><nothing/></target></lock>", "<error-tag>unknown-element</error-tag>"),
]


# ===== messages in every way =====

RPC = f'<rpc xmlns="{BASE}" message-id="7"><get-config><source><candidate/></source></get-config></rpc>'
WRITTEN = {
    "another prefix": RPC.replace("<", "<any:").replace("<any:/", "</any:").replace("xmlns=", "xmlns:any="),
    "a default and a prefix": (
        f'<a:rpc xmlns:a="{BASE}" xmlns="{BASE}" a:b="c" message-id="7"><get-config><a:source><candidate/></a:source>'
        "</get-config></a:rpc>"
    ),
    "comments": RPC.replace(">", "><!-- > ]]> <rpc> -->"),
    "processing instructions": '<?xml version="1.0" encoding="UTF-8"?><?before now?>'
    + RPC.replace(">", "><?now then?>"),
    "white space": "\n\t " + RPC.replace("><", "> \r\n\t <").replace("message-id", "\n message-id") + "\n",
    "a byte order mark": "\ufeff" + RPC,
}


@pytest.mark.parametrize("base", ["1.0", "1.1"])
@pytest.mark.parametrize("message", WRITTEN.values(), ids=list(WRITTEN))
async def test_user_need_6_a_message_may_be_written_like_that(server: Daemon, message: str, base: str) -> None:
    async with open_wire(server) as wire:
        await wire.greet(base)
        await wire.send(message)
        reply = await wire.receive()
    assert 'message-id="7"' in reply
    assert re.search(r"<(\w+:)?data\b", reply), reply


TEXTS = {
    "CDATA": ("<![CDATA[a < b & c ]] > d]]>", "a &lt; b &amp; c ]] &gt; d"),
    "CDATA in pieces": ("a<![CDATA[]]><![CDATA[<]]>b", "a&lt;b"),
    "the end of chunks": ("\n##\n", "\n##\n"),
    "a chunk header": ("\n#12\n", "\n#12\n"),
    "comments and instructions in a text": ("a<!-- # -->b<?c d?>e", "abe"),
    "characters by number": ("&#x1F512;&#9;&#60;", "\U0001f512\t&lt;"),
}


@pytest.mark.parametrize("base", ["1.0", "1.1"])
@pytest.mark.parametrize(("sent", "stored"), TEXTS.values(), ids=list(TEXTS))
async def test_a_text_may_hold_that(server: Daemon, sent: str, stored: str, base: str) -> None:
    async with open_wire(server) as wire:
        await wire.greet(base)
        assert await round_trip(wire, sent) == stored


async def round_trip(wire: Wire, text: str) -> str:
    """What the candidate has after a comment was set to a text."""
    comment = f"<rule><name>r</name><action>deny</action><comment>{text}</comment></rule>"
    reply = await wire.edit(f'<nacm xmlns="{NACM}"><rule-list><name>load</name>{comment}</rule-list></nacm>')
    assert reply == "<ok/>"
    candidate = await wire.get_config("candidate")
    await wire.do("<discard-changes/>")
    found = re.search(r"<comment>(.*)</comment>", candidate, re.DOTALL)
    assert found, candidate
    return found[1]


async def test_the_end_of_base_1_0_inside_data_of_base_1_1(server: Daemon) -> None:
    async with session(server) as wire:
        assert await round_trip(wire, "<![CDATA[]]]]>&gt;]]&gt;") == "]]&gt;]]&gt;"
        comment = f'<!-- ]]>]]> --><rpc xmlns="{BASE}" message-id="8"><discard-changes/></rpc>'
        await wire.send(comment)
        assert "<ok/>" in await wire.receive()


async def test_the_end_of_base_1_0_inside_data_of_base_1_0_closes_the_session(server: Daemon) -> None:
    """It cannot be told from the end of the message (RFC 4742 section 4.2): what came before is no XML."""
    async with open_wire(server) as wire:
        await wire.greet("1.0")
        await wire.send(f'<rpc xmlns="{BASE}" message-id="7"><!-- ]]>]]> --><discard-changes/></rpc>')
        assert await wire.closed() == b""
    assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("base", ["1.0", "1.1"])
async def test_a_message_split_at_every_byte(server: Daemon, base: str) -> None:
    async with open_wire(server) as wire:
        await wire.greet(base)
        message = wire.framed(f'<rpc xmlns="{BASE}" message-id="7"><discard-changes/></rpc>')
        for at in range(1, len(message)):
            await wire.send_bytes(message[:at])
            await wire.send_bytes(message[at:])
            assert "<ok/>" in await wire.receive()
