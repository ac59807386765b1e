"""The course of a session: hellos, framings, bad messages, pipelining, time-outs, sudden ends."""

from __future__ import annotations

import asyncio
import gc
import re
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from lxml import etree

from cryptomap.data.tree import Chunk, SortedEntries
from cryptomap.datastore.transaction import Transition
from cryptomap.errors import OperationFailed, RpcError
from cryptomap.netconf import Limits as MessageLimits
from cryptomap.netconf import ParserLimits
from cryptomap.operations import Limits, SessionLimits
from support.lab import BASE, HELLO, PATIENCE, Error, Lab, door, errors, tags
from support.timers import ManualTimers

OpenLab = Callable[..., Awaitable[Lab]]


# ===== hello =====


async def test_the_server_says_hello_first(lab: Lab) -> None:
    client = lab.dial()
    hello = (await client.peer.until(rb"(.*?)\]\]>\]\]>"))[1].decode()
    assert hello.startswith(f'<hello xmlns="{BASE}"><capabilities><capability>urn:ietf:params:netconf:base:1.0</')
    assert hello.endswith("</capabilities><session-id>1</session-id></hello>")


async def test_session_ids_are_not_used_again(lab: Lab) -> None:
    alice = await lab.connect()
    assert alice.session_id == 1
    await alice.rpc("<close-session/>")
    await alice.closed()
    assert (await lab.connect()).session_id == 2


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        (b"<hello/>]]>]]>", "the first message must be <hello>"),
        (b"GET / HTTP/1.1\r\n\r\n]]>]]>", "malformed"),
        ((HELLO % "7.0").encode() + b"]]>]]>", "no base capability in common"),
        (f'<rpc message-id="1" xmlns="{BASE}"><get/></rpc>]]>]]>'.encode(), "the first message must be <hello>"),
        ((HELLO % "1.1").replace("</hello>", "<session-id>4</session-id></hello>").encode() + b"]]>]]>", "session-id"),
    ],
)
async def test_a_bad_hello_ends_the_session(lab: Lab, said: bytes, complaint: str) -> None:
    client = lab.dial()
    client.peer.put(said)
    assert complaint in await client.closed()
    assert lab.server.sessions.statistics.in_bad_hellos == 1


async def test_no_hello_in_time(start: OpenLab) -> None:
    timers = ManualTimers()
    lab = await start(limits=Limits(hello_timeout=30), timers=timers)
    late, bob = lab.dial(), await lab.connect("bob")
    timers.advance(29)
    late.peer.put(b"<hello")  # a beginning is not enough
    assert await bob.doors() == ""
    timers.advance(1)
    assert await late.closed() == "no hello within 30 s"
    assert await bob.doors() == ""


@pytest.mark.parametrize("base", ["1.0", "1.1"])
async def test_both_framings(lab: Lab, base: str) -> None:
    alice = await lab.connect(base=base)
    assert await alice.edit(door("front")) == "<ok/>"
    assert await alice.doors("candidate") == "<door><name>front</name></door>"


# ===== messages that are wrong =====


async def test_a_malformed_message_is_answered_and_the_session_goes_on(lab: Lab) -> None:
    alice = await lab.connect()
    alice.send(f'<rpc message-id="7" xmlns="{BASE}"><get></rpc>')
    reply = await alice.receive()
    assert reply.startswith(f'<rpc-reply xmlns="{BASE}" message-id="7">')
    assert "<error-type>rpc</error-type><error-tag>malformed-message</error-tag>" in reply
    assert await alice.doors() == ""


async def test_a_malformed_message_ends_a_base_1_0_session(lab: Lab) -> None:
    alice = await lab.connect(base="1.0")
    alice.send(f'<rpc message-id="7" xmlns="{BASE}"><get></rpc>')
    assert "malformed" in await alice.closed()


@pytest.mark.parametrize(
    "message",
    [
        b'<!DOCTYPE rpc [<!ENTITY a "b">]><rpc message-id="1" xmlns="%b"><get/></rpc>' % BASE.encode(),
        b'<rpc message-id="1" xmlns="%b"><get>\xff\xfe</get></rpc>' % BASE.encode(),
        b"",
        b"<unknown/>",
    ],
)
async def test_messages_that_are_no_netconf(lab: Lab, message: bytes) -> None:
    alice = await lab.connect()
    alice.send(message or b" ")
    assert "<error-tag>malformed-message</error-tag>" in await alice.receive()
    assert await alice.rpc("<discard-changes/>") == "<ok/>"


async def test_broken_framing_ends_the_session(lab: Lab) -> None:
    alice = await lab.connect()
    alice.peer.put(b"\n#abc\n")
    assert "chunk header" in await alice.closed()


async def test_no_message_id(lab: Lab) -> None:
    alice = await lab.connect()
    alice.send(f'<rpc xmlns="{BASE}"><get/></rpc>')
    reply = re.sub("</?rpc-reply[^>]*>", "", await alice.receive())
    assert errors(reply) == [
        Error(
            "missing-attribute",
            "the rpc has no message-id",
            "rpc",
            info={"bad-attribute": "message-id", "bad-element": "rpc"},
        )
    ]


@pytest.mark.parametrize(("inside", "tag"), [("", "missing-element"), ("<get/><get/>", "bad-element")])
async def test_not_exactly_one_operation(lab: Lab, inside: str, tag: str) -> None:
    alice = await lab.connect()
    assert tags(await alice.rpc(inside)) == [tag]


@pytest.mark.parametrize("operation", ["<dance/>", '<dance xmlns="urn:doors"/>', '<dance xmlns="urn:x"/>'])
async def test_unknown_operations(lab: Lab, operation: str) -> None:
    alice = await lab.connect()
    found = errors(await alice.rpc(operation))
    assert [(e.tag, e.type, e.info) for e in found] == [
        ("operation-not-supported", "protocol", {"bad-element": "dance"})
    ]


async def test_an_operation_without_a_namespace_is_that_of_rfc_6241(lab: Lab) -> None:
    alice = await lab.connect()
    for operation in ("<lock><target><candidate/></target></lock>", "<discard-changes/>"):
        alice.send(f'<nc:rpc message-id="1" xmlns:nc="{BASE}">{operation}</nc:rpc>')
        assert f'<ok xmlns="{BASE}"/>' in await alice.receive()
    alice.send(f'<nc:rpc message-id="1" xmlns:nc="{BASE}"><open-door/></nc:rpc>')  # one of a module
    assert "<error-tag>operation-not-supported</error-tag>" in await alice.receive()


async def test_a_message_that_is_too_big_is_answered_and_ends_the_session(start: OpenLab) -> None:
    lab = await start(limits=Limits(messages=MessageLimits(message=ParserLimits(size=2000))))
    alice = await lab.connect()
    alice.ask(f"<get>{'<!-- -->' * 400}</get>")
    reply = await alice.receive()
    assert "<error-tag>too-big</error-tag>" in reply
    assert "larger than 2000 bytes" in await alice.closed()


async def test_a_bug_tells_the_client_nothing(start: OpenLab, caplog: pytest.LogCaptureFixture) -> None:
    def buggy(*_: object) -> None:
        raise RuntimeError("secret detail")

    lab = await start(handlers={"/doors:paint": buggy})
    alice = await lab.connect()
    assert errors(await alice.rpc('<paint xmlns="urn:doors"/>')) == [
        Error("operation-failed", "internal error, see the log of the server")
    ]
    assert "RuntimeError: secret detail" in caplog.text


# ===== pipelining =====


async def test_requests_are_answered_in_their_order(lab: Lab) -> None:
    alice = await lab.connect()
    for number in range(300):
        alice.send(f'<rpc message-id="{number}" xmlns="{BASE}"><discard-changes/></rpc>')
    for number in range(300):
        assert await alice.receive() == f'<rpc-reply xmlns="{BASE}" message-id="{number}"><ok/></rpc-reply>'


async def test_a_request_byte_by_byte(lab: Lab) -> None:
    alice = await lab.connect()
    message = f'<rpc message-id="1" xmlns="{BASE}"><discard-changes/></rpc>'.encode()
    for byte in b"\n#%d\n%b\n##\n" % (len(message), message):
        alice.peer.put(bytes([byte]))
    assert "<ok/>" in await alice.receive()


async def test_chunks_that_split_anywhere(lab: Lab) -> None:
    alice = await lab.connect()
    message = f'<rpc message-id="1" xmlns="{BASE}"><discard-changes/></rpc>'.encode()
    alice.peer.put(b"".join(b"\n#1\n%c" % byte for byte in message) + b"\n##\n")
    assert "<ok/>" in await alice.receive()


async def test_delimiters_inside_data(lab: Lab) -> None:
    alice = await lab.connect()
    name = "]]&gt;]]&gt; \n##\n#4\n"
    await alice.edit(door(name))
    assert await alice.doors("candidate") == door(name)


async def test_data_that_looks_like_the_end_of_a_base_1_0_message(lab: Lab) -> None:
    alice, old = await lab.connect(), await lab.connect("bob", base="1.0")
    await alice.edit(door("]]&gt;]]&gt;"))
    assert await old.doors("candidate") == door("]]&gt;]]&gt;")


# ===== limits =====


@pytest.mark.parametrize(
    ("limits", "complaint"),
    [
        (SessionLimits(total=1), "there are 1 sessions already, which is the limit"),
        (SessionLimits(per_user=1), "there are 1 sessions of user alice already, which is the limit"),
        (SessionLimits(per_address=1), "there are 1 sessions from 192.0.2.1 already, which is the limit"),
    ],
)
async def test_user_need_14_too_many_sessions_are_refused_not_hung(
    start: OpenLab, limits: SessionLimits, complaint: str
) -> None:
    lab = await start(limits=Limits(sessions=limits))
    first = await lab.connect()
    assert await lab.dial().closed() == complaint
    await first.rpc("<close-session/>")
    await first.closed()
    await lab.connect()


async def test_an_idle_session_is_ended(start: OpenLab) -> None:
    timers = ManualTimers()
    lab = await start(limits=Limits(idle_timeout=600), timers=timers)
    alice, bob = await lab.connect(), await lab.connect("bob")
    timers.advance(599)
    assert await bob.doors() == ""
    timers.advance(1)
    assert await alice.closed() == "no request within 600 s"
    assert not bob.task.done()  # it was heard a second ago
    timers.advance(600)
    assert await bob.closed() == "no request within 600 s"


async def test_a_subscriber_is_not_idle(start: OpenLab) -> None:
    timers = ManualTimers()
    lab = await start(limits=Limits(idle_timeout=600, hello_timeout=0), timers=timers)
    alice = await lab.connect()
    await alice.rpc('<create-subscription xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0"/>')
    bob = await lab.connect("bob")
    timers.advance(600)
    await bob.closed()  # connected later, ended as idle
    assert not alice.task.done()


# ===== sudden ends =====


class Gate:
    """A participant whose apply waits until the test says so."""

    name = "gate"

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.go_on = threading.Event()
        self.fault: RpcError | None = None

    def prepare(self, transition: Transition) -> Transition:
        return transition

    def apply(self, prepared: Any) -> None:
        if not prepared.changes:
            return
        self.entered.set()
        assert self.go_on.wait(PATIENCE)
        if self.fault:
            raise self.fault

    def abort(self, prepared: Any) -> None: ...

    def revert(self, prepared: Any) -> None: ...


async def begin_commit(lab: Lab, gate: Gate) -> Any:
    """Alice has locked and edited the candidate, and her commit is under way."""
    alice = await lab.connect()
    await alice.rpc("<lock><target><candidate/></target></lock>")
    await alice.edit(door("front"))
    alice.ask("<commit/>")
    assert await asyncio.to_thread(gate.entered.wait, PATIENCE)
    return alice


async def test_a_session_dropped_in_a_commit(start: OpenLab) -> None:
    gate = Gate()
    lab = await start(datastore={"participants": [gate]})
    alice = await begin_commit(lab, gate)
    alice.peer.is_broken = True
    alice.peer.put(b"")
    gate.go_on.set()
    await alice.closed()
    bob = await lab.connect("bob")
    assert await bob.doors() == "<door><name>front</name></door>"
    assert await bob.rpc("<lock><target><candidate/></target></lock>") == "<ok/>"


async def test_a_session_killed_in_a_commit(start: OpenLab) -> None:
    gate = Gate()
    lab = await start(datastore={"participants": [gate]})
    alice = await begin_commit(lab, gate)
    root = await lab.connect("root")
    root.ask(f"<kill-session><session-id>{alice.session_id}</session-id></kill-session>")
    bob = await lab.connect("bob")
    assert await bob.doors() == ""
    assert root.peer.unread == b""  # not before the commit has ended
    gate.go_on.set()
    assert root.inside(await root.receive()) == "<ok/>"
    assert alice.peer.unread == b""
    assert await root.doors() == "<door><name>front</name></door>"
    assert await root.rpc("<lock><target><candidate/></target></lock>") == "<ok/>"


async def test_user_need_10_reading_goes_on_for_others_while_a_commit_runs(start: OpenLab) -> None:
    gate = Gate()
    lab = await start(datastore={"participants": [gate]})
    alice = await begin_commit(lab, gate)
    bob = await lab.connect("bob")
    assert await bob.doors() == ""
    gate.go_on.set()
    assert alice.inside(await alice.receive()) == "<ok/>"


async def test_a_commit_the_backend_refuses_changes_nothing(start: OpenLab) -> None:
    gate = Gate()
    gate.fault = OperationFailed("no room in the tunnel table")
    gate.go_on.set()
    lab = await start(datastore={"participants": [gate]})
    alice = await lab.connect()
    await alice.edit(door("front"))
    assert errors(await alice.rpc("<commit/>")) == [Error("operation-failed", "no room in the tunnel table")]
    assert await alice.doors() == ""
    assert await alice.doors("candidate") == "<door><name>front</name></door>"


async def test_the_end_of_the_stream_after_requests(lab: Lab) -> None:
    """A client that pipes its requests in and closes its side still gets the replies."""
    alice = await lab.connect()
    alice.ask("<discard-changes/>")
    alice.peer.put(b"")
    assert alice.inside(await alice.receive()) == "<ok/>"
    assert await alice.closed() == "the connection ended without close-session"
    assert lab.server.sessions.statistics.dropped_sessions == 1


async def test_user_need_17_what_a_dropped_session_had_locked_is_free_and_discarded(lab: Lab) -> None:
    alice, bob = await lab.connect(), await lab.connect("bob")
    await alice.rpc("<lock><target><candidate/></target></lock>")
    await alice.edit(door("front"))
    alice.peer.put(b"")
    await alice.closed()
    assert await bob.doors("candidate") == ""
    assert await bob.rpc("<lock><target><candidate/></target></lock>") == "<ok/>"


async def test_a_client_that_is_gone_when_the_reply_is_written(lab: Lab) -> None:
    alice = await lab.connect()
    alice.peer.is_broken = True
    alice.ask("<get/>")
    assert await alice.closed() == "the connection was lost: gone"


async def test_the_server_stops(lab: Lab) -> None:
    alice = await lab.connect()
    await lab.server.stop()
    assert await alice.closed() == "the server stops"


async def test_a_transport_that_cancels_its_session(lab: Lab) -> None:
    alice = await lab.connect()
    await alice.rpc("<lock><target><running/></target></lock>")
    alice.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await alice.task
    assert len(lab.server.sessions) == 0
    bob = await lab.connect("bob")
    assert await bob.rpc("<lock><target><running/></target></lock>") == "<ok/>"


async def test_a_reply_is_well_formed_whatever_the_client_declared(lab: Lab) -> None:
    alice = await lab.connect()
    alice.send(
        f'<nc:rpc xmlns:nc="{BASE}" xmlns="urn:strange" xmlns:d="urn:other" message-id="1" d:tag="x">'
        "<nc:get-config><nc:source><nc:attic/></nc:source></nc:get-config></nc:rpc>"
    )
    reply = etree.fromstring(await alice.receive())
    assert reply.tag == f"{{{BASE}}}rpc-reply"
    assert reply.findtext(f"{{{BASE}}}rpc-error/{{{BASE}}}error-tag") == "unknown-element"


# ===== memory =====


@pytest.fixture
def uncollected() -> Iterator[None]:
    """The garbage collector is off."""
    gc.disable()
    yield
    gc.unfreeze()
    gc.enable()


@pytest.mark.usefixtures("uncollected")
async def test_a_session_that_ends_within_a_reply_lets_go_of_the_configuration(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be kept for good if a large change came before the garbage collector."""
    monkeypatch.setattr("cryptomap.operations.aside.BEGINNING", 1000)
    monkeypatch.setattr("cryptomap.operations.aside.AT_ONCE", 1000)
    alice, bob, root = await lab.connect(), await lab.connect("bob"), await lab.connect("root")
    assert await bob.edit("".join(door(f"door{number:05}") for number in range(1000))) == "<ok/>"
    assert await bob.rpc("<commit/>") == "<ok/>"
    kept = weakref.ref(chunk_of_doors(lab))
    alice.peer.reading.clear()
    alice.ask("<get-config><source><running/></source></get-config>")
    await alice.peer.is_waited_for.wait()
    for _ in range(2):  # what the last commit compared is kept
        await bob.edit(door("door00000", "<width>10</width>"))
        assert await bob.rpc("<commit/>") == "<ok/>"
        await bob.edit(door("door00000", '<width nc:operation="delete">10</width>'))
        assert await bob.rpc("<commit/>") == "<ok/>"
    assert kept() is not None
    kill = f"<kill-session><session-id>{alice.session_id}</session-id></kill-session>"
    assert await root.rpc(kill) == "<ok/>"
    await alice.closed()
    assert kept() is None


def chunk_of_doors(lab: Lab) -> Chunk:
    """The one that changes with the first door."""
    doors = lab.datastores.running.root.node("doors:doors")
    assert doors is not None
    entries = doors.entries("door")
    assert isinstance(entries, SortedEntries)
    return entries.chunks[0]


@pytest.mark.usefixtures("uncollected")
async def test_sessions_that_have_ended_are_looked_for(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if a large change has moved them out of the garbage collector's sight."""
    monkeypatch.setattr("cryptomap.operations.server.LINGERING", 4)
    ended = []
    for _ in range(4):
        alice = await lab.connect()
        ended.append(weakref.ref(next(iter(lab.server.sessions))))
        gc.freeze()
        await alice.rpc("<close-session/>")
        await alice.closed()
        del alice
    await lab.writer.run(gc.get_count)  # it has done what was asked of it before
    assert [session() for session in ended[:-1]] == [None] * 3  # the last one has hardly ended
