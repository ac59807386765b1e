"""A session as bytes in, events out: the literal exchanges of RFC 6241 and 6242, and everything that breaks them."""

from __future__ import annotations

import contextlib
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from cryptomap.errors import InvalidValue
from cryptomap.netconf import (
    NEED_DATA,
    Connection,
    ConnectionLost,
    HelloReceived,
    Limits,
    LocalProtocolError,
    MalformedReceived,
    NotificationReceived,
    ParserLimits,
    RemoteProtocolError,
    ReplyReceived,
    RpcReceived,
    RpcRefused,
    TooBigReceived,
)

B = "urn:ietf:params:xml:ns:netconf:base:1.0"
BASE_1_0 = "urn:ietf:params:netconf:base:1.0"
BASE_1_1 = "urn:ietf:params:netconf:base:1.1"
BOTH = (BASE_1_0, BASE_1_1)


def hello(*capabilities: str, extra: str = "") -> bytes:
    listed = "".join(f"<capability>{c}</capability>" for c in capabilities)
    return f'<hello xmlns="{B}"><capabilities>{listed}</capabilities>{extra}</hello>]]>]]>'.encode()


def chunk(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return b"\n#%d\n%b\n##\n" % (len(data), data)


def rpc(operation: str, message_id: str = "1") -> str:
    return f'<rpc xmlns="{B}" message-id="{message_id}">{operation}</rpc>'


def server(base: str | None = "1.1", limits: Limits | None = None) -> Connection:
    """A server; with ``base`` one whose hellos have passed."""
    connection = Connection("server", BOTH, session_id=7, limits=limits)
    connection.send_hello()
    if base:
        connection.receive_data(hello(*(BOTH if base == "1.1" else [BASE_1_0])))
        assert isinstance(connection.next_event(), HelloReceived)
    return connection


def client(base: str = "1.1") -> Connection:
    connection = Connection("client", BOTH)
    connection.send_hello()
    capabilities = BOTH if base == "1.1" else [BASE_1_0]
    connection.receive_data(hello(*capabilities, extra="<session-id>7</session-id>"))
    assert isinstance(connection.next_event(), HelloReceived)
    return connection


def fed(connection: Connection, *data: bytes):
    for piece in data:
        connection.receive_data(piece)
    return connection.next_event()


# ===== hello =====


def test_hellos_and_the_switch_to_chunks():
    connection = Connection("server", BOTH, session_id=7)
    assert connection.send_hello() == hello(*BOTH, extra="<session-id>7</session-id>")
    assert connection.next_event() is NEED_DATA
    assert fed(connection, hello(*BOTH)) == HelloReceived(BOTH, None, "1.1")
    assert connection.base == "1.1"
    assert isinstance(fed(connection, chunk(rpc("<get/>"))), RpcReceived)
    assert connection.send_ok(None) == chunk(f'<rpc-reply xmlns="{B}"><ok/></rpc-reply>')


@pytest.mark.parametrize(("ours", "theirs"), [([BASE_1_0], BOTH), (BOTH, [BASE_1_0])])
def test_one_side_without_1_1_keeps_the_delimiter(ours, theirs):
    connection = Connection("server", ours, session_id=7)
    connection.send_hello()
    assert fed(connection, hello(*theirs)) == HelloReceived(tuple(theirs), None, "1.0")
    assert isinstance(fed(connection, rpc("<get/>").encode() + b"]]>]]>"), RpcReceived)
    assert connection.send_ok(None) == f'<rpc-reply xmlns="{B}"><ok/></rpc-reply>]]>]]>'.encode()


def test_the_first_rpc_may_come_with_the_hello_in_one_packet_or_byte_by_byte():
    wire = hello(*BOTH) + chunk(rpc("<get/>")) + chunk(rpc("<close-session/>", "2"))
    for size in (len(wire), 1, 7):
        connection = server(base=None)
        events = []
        for start in range(0, len(wire), size):
            connection.receive_data(wire[start : start + size])
            while (event := connection.next_event()) is not NEED_DATA:
                events.append(event)
        assert [type(event) for event in events] == [HelloReceived, RpcReceived, RpcReceived]
        assert [event.operation.tag for event in events[1:]] == [f"{{{B}}}get", f"{{{B}}}close-session"]


@pytest.mark.parametrize(
    ("wire", "says"),
    [
        (hello(*BOTH, extra="<session-id>4</session-id>"), "session-id"),
        (hello("urn:x"), "base capability"),
        (hello(), "base capability"),
        (rpc("<get/>").encode() + b"]]>]]>", "must be <hello>"),
        (b"<hello><capabilities/></hello>]]>]]>", "must be <hello>"),
        (b"<!DOCTYPE hello>" + hello(*BOTH), "document type"),
        (b"<hello]]>]]>", "not well-formed"),
        (b"GET / HTTP/1.1\r\n\r\n", "UTF-8"),
        (chunk(rpc("<get/>")), "UTF-8"),
        (b"]]>]]>", "no XML element"),
        (b"<a" + b" " * 5_000_000, "larger than"),
    ],
)
def test_a_bad_first_message_closes_the_session(wire, says):
    connection = server(base=None)
    with pytest.raises(RemoteProtocolError, match=says):
        fed(connection, wire)
    with pytest.raises(RemoteProtocolError):
        fed(connection, hello(*BOTH))


@pytest.mark.parametrize(
    ("wire", "says"),
    [
        (hello(*BOTH), "no session-id"),
        (hello(*BOTH, extra="<session-id>0</session-id>"), "session-id"),
        (hello("urn:x", extra="<session-id>1</session-id>"), "base capability"),
    ],
)
def test_a_client_refuses_a_bad_hello(wire, says):
    connection = Connection("client", BOTH)
    connection.send_hello()
    with pytest.raises(RemoteProtocolError, match=says):
        fed(connection, wire)


def test_a_client_learns_its_session_id():
    assert client().session_id == 7


def test_session_ids_belong_to_servers():
    with pytest.raises(ValueError, match="session_id"):
        Connection("server", BOTH)
    with pytest.raises(ValueError, match="session_id"):
        Connection("client", BOTH, session_id=1)


# ===== requests =====


def test_a_request_and_its_mirrored_reply():
    connection = server()
    event = fed(connection, chunk(f'<nc:rpc xmlns:nc="{B}" xmlns:e="urn:e" e:a="1" message-id="9"><nc:get/></nc:rpc>'))
    assert isinstance(event, RpcReceived)
    assert (event.message_id, event.prefix) == ("9", "nc")
    assert event.attributes == {"{urn:e}a": "1", "message-id": "9"}
    assert event.element.tag == f"{{{B}}}rpc"
    assert event.operation.tag == f"{{{B}}}get"
    body = [b'<data xmlns="', B.encode(), b'"/>']
    assert b"".join(connection.send_reply(event, body)) == chunk(
        f'<nc:rpc-reply xmlns:nc="{B}" xmlns:e="urn:e" e:a="1" message-id="9"><data xmlns="{B}"/></nc:rpc-reply>'
    )


def test_a_1_1_session_may_carry_the_old_delimiter_as_data():
    event = fed(server(), chunk(rpc("<get x=']]>]]>'>##</get>")))
    assert isinstance(event, RpcReceived)
    assert event.operation.get("x") == "]]>]]>"


@pytest.mark.parametrize(
    ("wire", "tag", "info"),
    [
        (
            f'<rpc xmlns="{B}"><get/></rpc>',
            "missing-attribute",
            (("bad-attribute", "message-id"), ("bad-element", "rpc")),
        ),
        (f'<rpc xmlns="{B}" message-id="1"/>', "missing-element", (("bad-element", "rpc"),)),
        (f'<rpc xmlns="{B}" message-id="1"><get/><x:put xmlns:x="u"/></rpc>', "bad-element", (("bad-element", "put"),)),
    ],
)
@pytest.mark.parametrize("base", ["1.0", "1.1"])
def test_a_request_that_breaks_the_rpc_layer_is_answered(wire, tag, info, base):
    connection = server(base)
    event = fed(connection, chunk(wire) if base == "1.1" else wire.encode() + b"]]>]]>")
    assert isinstance(event, RpcRefused)
    assert (event.error.tag, event.error.info) == (tag, info)
    assert tag.encode() in connection.send_errors(event, [event.error])


@pytest.mark.parametrize(
    ("broken", "message_id"),
    [
        (rpc("<get>", "12").encode(), "12"),
        (rpc("<get>\xff</get>", "13").encode("latin-1"), "13"),
        (rpc("<get>&x;</get>", "14").encode(), "14"),
        (b"<!DOCTYPE rpc>" + rpc("<get/>").encode(), None),
        (rpc("<get/>").encode("utf-16"), None),
        (b"garbage", None),
        (b"<other/>", None),
        (hello(*BOTH)[:-6], None),
        (b"   ", None),
    ],
)
def test_a_malformed_message_is_answered_in_1_1_and_the_session_goes_on(broken, message_id):
    connection = server()
    event = fed(connection, chunk(broken) + chunk(rpc("<get/>", "99")))
    assert isinstance(event, MalformedReceived)
    assert event.error.tag == "malformed-message"
    assert (event.request.message_id if event.request else None) == message_id
    mirrored = f' message-id="{message_id}"' if message_id else ""
    assert f'<rpc-reply xmlns="{B}"{mirrored}><rpc-error>'.encode() in connection.send_errors(
        event.request, [event.error]
    )
    following = connection.next_event()
    assert isinstance(following, RpcReceived)
    assert following.message_id == "99"


def test_which_request_was_malformed_is_known_however_it_is_cut():
    broken = b'<?xml version="0.0"?>' + rpc("<get/>", "12").encode()
    for size in (1, 7, len(broken)):
        connection = server()
        pieces = b"".join(b"\n#%d\n%s" % (len(broken[at : at + size]), broken[at : at + size])
                          for at in range(0, len(broken), size))  # fmt: skip
        event = fed(connection, pieces + b"\n##\n")
        assert isinstance(event, MalformedReceived)
        assert event.request is not None
        assert event.request.message_id == "12"


def test_a_malformed_message_closes_a_1_0_session():
    connection = server("1.0")
    with pytest.raises(RemoteProtocolError, match=r"base:1\.0.*not well-formed"):
        fed(connection, b"<rpc></get>]]>]]>" + rpc("<get/>").encode() + b"]]>]]>")
    with pytest.raises(RemoteProtocolError):
        connection.next_event()


@pytest.mark.parametrize("wire", [b"]]>]]>", b"\n#01\n", b"\n#1\n<\n#x", rpc("<get/>").encode()])
def test_broken_framing_closes_a_1_1_session(wire):
    with pytest.raises(RemoteProtocolError, match="chunk"):
        fed(server(), wire)


def test_a_message_above_the_limit_is_answered_and_nothing_more_is_read():
    connection = server(limits=Limits(message=ParserLimits(size=200)))
    event = fed(connection, b"\n#4000000000\n" + rpc("<edit-config>", "5").encode() + b"x" * 200)
    assert isinstance(event, TooBigReceived)
    assert event.error.tag == "too-big"
    assert event.request is not None
    assert event.request.message_id == "5"
    with pytest.raises(RemoteProtocolError):
        fed(connection, b"more")
    assert b"too-big" in connection.send_errors(event.request, [event.error])


def test_the_limit_counts_each_message_alone():
    connection = server(limits=Limits(message=ParserLimits(size=100)))
    for number in range(5):
        assert isinstance(fed(connection, chunk(rpc("<get/>", str(number)))), RpcReceived)


def test_a_text_node_above_10_mb_is_too_big():
    connection = server()
    pieces = [b"\n#4000000000\n", rpc("<get>").removesuffix("</rpc>").encode(), *[b"x" * 65536] * 160]
    for piece in pieces:
        connection.receive_data(piece)
        event = connection.next_event()
        if event is not NEED_DATA:
            break
    assert isinstance(event, TooBigReceived)


def test_a_server_does_not_take_replies():
    with pytest.raises(RemoteProtocolError, match="rpc-reply"):
        fed(server(), chunk(f'<rpc-reply xmlns="{B}" message-id="1"/>'))


# ===== the end =====


@pytest.mark.parametrize(
    ("wire", "clean"),
    [
        (b"", True),
        (chunk(rpc("<get/>")), True),
        (b"\n#5\n<rpc ", False),
        (b"\n#", False),
        (chunk(b"<bad>")[:-3], False),
        (b"\n#9\ngarbage", False),
    ],
)
def test_the_end_of_the_stream(wire, clean):
    connection = server()
    connection.receive_data(wire) if wire else None
    connection.receive_data(b"")
    event = connection.next_event()
    while not isinstance(event, ConnectionLost):
        event = connection.next_event()
    assert event == ConnectionLost(clean)
    assert connection.next_event() == event


def test_the_end_in_a_1_0_session_may_have_white_space():
    assert fed(server("1.0"), b"\n \n", b"") == ConnectionLost(clean=True)
    assert fed(server("1.0"), b"]]>", b"") == ConnectionLost(clean=False)
    assert fed(server("1.0"), b"<rpc", b"") == ConnectionLost(clean=False)


def test_a_client_that_has_ended_its_stream_still_gets_its_replies():
    connection = server()
    event = fed(connection, chunk(rpc("<get/>")), b"")
    assert isinstance(event, RpcReceived)
    assert connection.next_event() == ConnectionLost(clean=True)
    assert connection.send_ok(event)


# ===== sending =====


def test_nothing_is_sent_before_the_hellos_or_after_the_end():
    connection = Connection("server", BOTH, session_id=7)
    with pytest.raises(LocalProtocolError):
        connection.send_ok(None)
    connection.send_hello()
    with pytest.raises(LocalProtocolError):
        connection.send_hello()
    with pytest.raises(LocalProtocolError):
        connection.send_notification("t", b"<x/>")
    connection = server()
    connection.close()
    with pytest.raises(LocalProtocolError):
        connection.send_ok(None)


def test_a_role_sends_only_its_messages():
    with pytest.raises(LocalProtocolError):
        server().send_rpc(b"<get/>")
    with pytest.raises(LocalProtocolError):
        client().send_ok(None)


def test_a_streamed_reply_is_lazy_and_excludes_other_messages():
    asked = []

    def body():
        for number in range(3):
            asked.append(number)
            yield b"x" * 50000

    connection = server()
    frames = connection.send_reply(None, body())
    assert asked == []
    assert next(frames).startswith(b"\n#")
    assert asked == [0]
    with pytest.raises(LocalProtocolError, match="still being sent"):
        connection.send_notification("t", b"<x/>")
    assert b"".join(frames).endswith(b"</rpc-reply>\n##\n")
    assert connection.send_ok(None)


def test_a_reply_that_fails_half_way_leaves_nothing_to_say():
    def body():
        yield b"x" * 50000
        raise RuntimeError("provider")

    connection = server()
    with pytest.raises(RuntimeError):
        list(connection.send_reply(None, body()))
    with pytest.raises(LocalProtocolError):
        connection.send_ok(None)


def test_a_1_0_session_cannot_carry_the_delimiter():
    with pytest.raises(LocalProtocolError, match=r"base:1\.0"):
        client("1.0").send_rpc(b"<a x=']]>]]>'/>")
    assert client("1.1").send_rpc(b"<a x=']]>]]>'/>")[0] == "1"
    attribute = f'<rpc xmlns="{B}" message-id="1" x="]]&gt;]]&gt;"><get/></rpc>]]>]]>'.encode()
    connection = server("1.0")
    event = fed(connection, attribute)
    assert connection.send_ok(event).count(b"]]>]]>") == 1


def test_client_and_server_talk():
    there, here = server(), client()
    first, request = here.send_rpc(b"<get/>", {"user": "fred"})
    event = fed(there, request)
    assert isinstance(event, RpcReceived)
    assert (event.message_id, event.attributes["user"]) == (first, "fred")
    reply = fed(here, there.send_errors(event, [InvalidValue("no")]))
    assert isinstance(reply, ReplyReceived)
    assert reply.message_id == first
    assert reply.element[0].findtext(f"{{{B}}}error-tag") == "invalid-value"
    news = fed(here, there.send_notification("2026-11-23T10:00:00Z", b'<up xmlns="urn:x"/>'))
    assert isinstance(news, NotificationReceived)
    assert (news.event_time, news.element[1].tag) == ("2026-11-23T10:00:00Z", "{urn:x}up")
    second, _ = here.send_rpc(b"<get/>")
    assert second != first


def test_a_client_closes_on_a_malformed_reply():
    with pytest.raises(RemoteProtocolError, match="malformed"):
        fed(client(), chunk("<rpc-reply"))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 700), max_size=12), st.sampled_from(["1.0", "1.1"]))
def test_events_do_not_depend_on_how_bytes_arrive(cuts, base):
    texts = [rpc("<get/>", "1"), rpc("<a><b>é</b></a>", "2"), rpc("<lock/>", "3")]
    wire = hello(*(BOTH if base == "1.1" else [BASE_1_0]))
    wire += b"".join(chunk(t) if base == "1.1" else t.encode() + b"]]>]]>" for t in texts)
    edges = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    connection = server(base=None)
    seen = []
    for start, end in itertools.pairwise(edges):
        if start < end:
            connection.receive_data(wire[start:end])
        while (event := connection.next_event()) is not NEED_DATA:
            seen.append(event)
    assert [etree.tostring(event.element, encoding="unicode") for event in seen[1:]] == texts


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60), st.booleans())
def test_any_bytes_give_events_or_a_remote_protocol_error(data, after_hello):
    connection = server() if after_hello else server(base=None)
    connection.receive_data(data) if data else None
    with contextlib.suppress(RemoteProtocolError):
        while connection.next_event() is not NEED_DATA:
            pass
