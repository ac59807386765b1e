"""Messages that are none, broken framing, and what is too big: an rpc-error or a closed session, nothing changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from support.bad_input import CTX, MESSAGE_SIZE, in_context, still_served
from support.server import Daemon
from support.wire import BASE, HELLO, Error, Wire, errors, open_wire

# ===== messages that are no rpc =====

MALFORMED: dict[str, bytes] = {
    "tags that do not match": b'<rpc message-id="1" xmlns="%s"><get></rpc>' % BASE.encode(),
    "not XML": b"hello?",
    "empty": b" ",
    "half a message": b'<rpc message-id="1" xmlns="%s"><get/>' % BASE.encode(),
    "two messages in one": b'<rpc message-id="1" xmlns="%b"><get/></rpc><rpc message-id="2" xmlns="%b"/>'
    % (BASE.encode(), BASE.encode()),
    "unbound prefix": b'<nc:rpc message-id="1"><nc:get/></nc:rpc>',
    "undeclared entity": b'<rpc message-id="1" xmlns="%s"><get>&secret;</get></rpc>' % BASE.encode(),
    "a control character": b'<rpc message-id="1" xmlns="%s"><get>\x01</get></rpc>' % BASE.encode(),
    "a document type": b'<!DOCTYPE rpc><rpc message-id="1" xmlns="%s"><get/></rpc>' % BASE.encode(),
    "an entity of a file": b'<!DOCTYPE rpc [<!ENTITY x SYSTEM "file:///etc/passwd">]><rpc message-id="1" xmlns="%s">'
    b"<edit-config>&x;</edit-config></rpc>" % BASE.encode(),
    "a billion laughs": b'<!DOCTYPE rpc [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><rpc message-id="1" xmlns="%s"><x>&c;</x></rpc>' % BASE.encode(),
    "invalid UTF-8": b'<rpc message-id="1" xmlns="%s"><get><x>\xff\xfe</x></get></rpc>' % BASE.encode(),
    "an overlong sequence": b'<rpc message-id="1" xmlns="%s"><get><x>\xc0\xaf</x></get></rpc>' % BASE.encode(),
    "UTF-16": f'<?xml version="1.0" encoding="UTF-16"?><rpc message-id="1" xmlns="{BASE}"><get/></rpc>'.encode(
        "utf-16"
    ),
    "declared as Latin-1": b'<?xml version="1.0" encoding="ISO-8859-1"?>'
    b'<rpc message-id="1" xmlns="%s"><x>\xe9</x></rpc>' % BASE.encode(),
}


@pytest.mark.parametrize("message", MALFORMED.values(), ids=list(MALFORMED))
async def test_user_need_19_a_malformed_message(wire: Wire, message: bytes) -> None:
    """RFC 6241 appendix A: malformed-message in a session of base:1.1, which goes on."""
    await wire.send(message)
    reply = await wire.receive()
    [error] = errors(reply)
    assert (error.tag, error.type) == ("malformed-message", "rpc")
    assert "passwd" not in reply
    assert "root:" not in reply
    await still_served(wire)


async def test_a_malformed_message_ends_a_session_of_base_1_0(server: Daemon) -> None:
    """That version has no error for it."""
    async with open_wire(server) as wire:
        await wire.greet("1.0")
        await wire.send(MALFORMED["tags that do not match"])
        assert await wire.closed() == b""


RPCS: dict[str, tuple[str, Error]] = {
    "no message-id": (
        f'<rpc xmlns="{BASE}"><get/></rpc>',
        Error(
            "missing-attribute",
            "the rpc has no message-id",
            "rpc",
            info={"bad-attribute": "message-id", "bad-element": "rpc"},
        ),
    ),
    "no operation": (
        f'<rpc xmlns="{BASE}" message-id="1"/>',
        Error("missing-element", "the rpc contains no operation", "protocol", info={"bad-element": "rpc"}),
    ),
    "two operations": (
        f'<rpc xmlns="{BASE}" message-id="1"><get/><commit/></rpc>',
        Error("bad-element", "the rpc contains more than one operation", "protocol", info={"bad-element": "commit"}),
    ),
    "unknown operation": (
        f'<rpc xmlns="{BASE}" message-id="1"><reboot/></rpc>',
        Error(
            "operation-not-supported",
            f"there is no operation {{{BASE}}}reboot",
            "protocol",
            info={"bad-element": "reboot"},
        ),
    ),
    "a second hello": (
        HELLO % "1.1",
        Error("malformed-message", f"<{{{BASE}}}hello> is no NETCONF message", "rpc"),
    ),
    "no message of NETCONF": (
        "<html/>",
        Error("malformed-message", "<html> is no NETCONF message", "rpc"),
    ),
}


@pytest.mark.parametrize(("message", "wanted"), RPCS.values(), ids=list(RPCS))
async def test_an_rpc_that_is_none(wire: Wire, message: str, wanted: Error) -> None:
    await wire.send(message)
    assert errors(await wire.receive()) == [wanted]
    await still_served(wire)


# ===== framing =====

BAD_FRAMES = {
    "size zero": b"\n#0\n\n##\n",
    "leading zero": b"\n#04\nabcd\n##\n",
    "negative": b"\n#-4\nabcd\n##\n",
    "no number": b"\n#four\nabcd\n##\n",
    "above the limit": b"\n#4294967296\n",
    "a long number": b"\n#" + b"9" * 10_000 + b"\n",
    "no header": b"<rpc/>",
    "carriage returns": b"\r\n#4\r\nabcd\r\n##\r\n",
    "a chunk longer than said": b"\n#4\nabcdefgh\n##\n",
    "end without a chunk": b"\n##\n",
    "end-of-message of base:1.0": b'<rpc xmlns="%b" message-id="1"><get/></rpc>]]>]]>' % BASE.encode(),
}


@pytest.mark.parametrize("data", BAD_FRAMES.values(), ids=list(BAD_FRAMES))
async def test_wrong_framing_ends_the_session_without_a_word(wire: Wire, data: bytes) -> None:
    """RFC 6242 section 4.2."""
    await wire.send_bytes(data)
    assert await wire.closed() == b""


# ===== too big =====


async def too_big(server: Daemon, message: AsyncIterator[bytes]) -> Error:
    """The one error that answers a message, after which the session must be closed, however much is still sent."""
    async with open_wire(server) as wire:
        await wire.greet()

        async def send() -> None:
            async for piece in message:
                await wire.send_bytes(b"\n#%d\n%b" % (len(piece), piece))
            await wire.send_bytes(b"\n##\n")

        sending = asyncio.create_task(send())
        [error] = errors(await wire.receive())
        assert await wire.closed() == b""
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    return error


async def edit_with(*pieces: tuple[bytes, int]) -> AsyncIterator[bytes]:
    """An edit-config with these pieces inside a description, each so many times."""
    start = f'<rpc xmlns="{BASE}" message-id="7"><edit-config><target><candidate/></target><config>'
    yield f'{start}<contexts xmlns="{CTX}"><context><name>ipsec-d</name><description>'.encode()
    for piece, times in pieces:
        for _ in range(times):
            yield piece
    yield b"</description></context></contexts></config></edit-config></rpc>"


async def test_a_leaf_of_100_megabytes(server: Daemon) -> None:
    error = await too_big(server, edit_with((b"x" * 1_000_000, 100)))
    assert (error.tag, error.type) == ("too-big", "rpc")
    assert "above a limit" in error.message


async def test_a_message_above_the_configured_size(server: Daemon) -> None:
    error = await too_big(server, edit_with((b"<!-- nothing -->" * 65536, 40)))
    assert (error.tag, error.type) == ("too-big", "rpc")
    assert error.message == f"the message is larger than {MESSAGE_SIZE} bytes"


async def test_a_message_nested_too_deeply(server: Daemon) -> None:
    error = await too_big(server, edit_with((b"<x>", 300)))
    assert (error.tag, error.type) == ("too-big", "rpc")


async def test_a_message_below_the_limits_is_taken(wire: Wire) -> None:
    """Large is not too large: 9 MB of text in one leaf, refused by its type and not by the parser."""
    await wire.ask(
        "<edit-config><target><candidate/></target><config>"
        + in_context(f"<description>{'x' * 9_000_000}</description>")
        + "</config></edit-config>"
    )
    reply = await wire.receive()
    assert len(reply) < 10_000, reply[:1000]
    await still_served(wire)
