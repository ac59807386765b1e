"""The XML of each message, literally; errors read back as what they were."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from cryptomap.errors import (
    DataMissing,
    ErrorPath,
    InvalidValue,
    LockDenied,
    MissingAttribute,
    OperationFailed,
    RpcError,
)
from cryptomap.netconf import messages
from cryptomap.netconf.states import Violation

BASE = "urn:ietf:params:xml:ns:netconf:base:1.0"

HELLOS = [
    (
        ["urn:ietf:params:netconf:base:1.1", "urn:x?module=x&features=a,b"],
        4,
        b'<hello xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><capabilities>'
        b"<capability>urn:ietf:params:netconf:base:1.1</capability>"
        b"<capability>urn:x?module=x&amp;features=a,b</capability></capabilities><session-id>4</session-id></hello>",
    ),
    (
        ["urn:ietf:params:netconf:base:1.0"],
        None,
        b'<hello xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><capabilities>'
        b"<capability>urn:ietf:params:netconf:base:1.0</capability></capabilities></hello>",
    ),
]

ERRORS = [
    (
        InvalidValue("dscp is 0..63"),
        "<rpc-error><error-type>application</error-type><error-tag>invalid-value</error-tag>"
        '<error-severity>error</error-severity><error-message xml:lang="en">dscp is 0..63</error-message></rpc-error>',
    ),
    (
        LockDenied("locked by 4", error_type="protocol", info=[("session-id", "4")]),
        "<rpc-error><error-type>protocol</error-type><error-tag>lock-denied</error-tag>"
        '<error-severity>error</error-severity><error-message xml:lang="en">locked by 4</error-message>'
        "<error-info><session-id>4</session-id></error-info></rpc-error>",
    ),
    (
        DataMissing(
            "no such ACL <foo>",
            app_tag="instance-required",
            path=ErrorPath("/c:context[c:name='a&b']/c:map", {"c": "urn:cryptomap:yang:context"}),
            info=[("{urn:x}hint", "a > b")],
            severity="warning",
        ),
        "<rpc-error><error-type>application</error-type><error-tag>data-missing</error-tag>"
        "<error-severity>warning</error-severity><error-app-tag>instance-required</error-app-tag>"
        "<error-path xmlns:c=\"urn:cryptomap:yang:context\">/c:context[c:name='a&amp;b']/c:map</error-path>"
        '<error-message xml:lang="en">no such ACL &lt;foo&gt;</error-message>'
        '<error-info><hint xmlns="urn:x">a &gt; b</hint></error-info></rpc-error>',
    ),
]

MIRRORED = [
    ('<rpc xmlns="{b}" message-id="1"/>', '<rpc-reply xmlns="{b}" message-id="1"><ok/></rpc-reply>'),
    (
        '<nc:rpc xmlns:nc="{b}" message-id="urn:uuid:1"/>',
        '<nc:rpc-reply xmlns:nc="{b}" message-id="urn:uuid:1"><ok xmlns="{b}"/></nc:rpc-reply>',
    ),
    (
        '<nc:rpc xmlns="urn:mine" xmlns:nc="{b}" xmlns:ex="urn:ex" ex:user-id="fred" colour="&quot;&lt;&#10;&gt;" '
        'message-id="&amp;" xml:lang="de"/>',
        '<nc:rpc-reply xmlns="urn:mine" xmlns:nc="{b}" xmlns:ex="urn:ex" ex:user-id="fred" '
        'colour=\'"&lt;&#10;&gt;\' message-id="&amp;" xml:lang="de"><ok xmlns="{b}"/></nc:rpc-reply>',
    ),
]


def facts(error: RpcError):
    path = (error.path.text, dict(error.path.namespaces)) if error.path else None
    return type(error), error.message, error.error_type, error.severity, error.app_tag, path, error.info


@pytest.mark.parametrize(("capabilities", "session_id", "wire"), HELLOS)
def test_hello_both_ways(capabilities, session_id, wire):
    assert messages.hello(capabilities, session_id) == wire
    assert messages.read_hello(etree.fromstring(wire)) == (tuple(capabilities), session_id)


@pytest.mark.parametrize("session_id", ["0", "-1", "x", "", "4294967296", "1.0"])
def test_a_bad_session_id_is_refused(session_id):
    element = etree.fromstring(f'<hello xmlns="{BASE}"><capabilities/><session-id>{session_id}</session-id></hello>')
    with pytest.raises(Violation, match="session-id"):
        messages.read_hello(element)


@pytest.mark.parametrize(("error", "wire"), ERRORS)
def test_errors_both_ways(error, wire):
    assert messages.error_elements(None, [error]).decode() == wire
    reply = etree.fromstring(f'<rpc-reply xmlns="{BASE}">{wire}{wire}</rpc-reply>')
    assert [facts(read) for read in messages.read_errors(reply)] == [facts(error)] * 2


def test_an_error_with_an_unknown_tag_is_operation_failed():
    reply = etree.fromstring(f'<rpc-reply xmlns="{BASE}"><rpc-error><error-tag>new</error-tag></rpc-error></rpc-reply>')
    assert [type(error) for error in messages.read_errors(reply)] == [OperationFailed]


@pytest.mark.parametrize(("rpc", "reply"), MIRRORED)
def test_a_reply_mirrors_attributes_declarations_and_prefix(rpc, reply):
    element = etree.fromstring(rpc.format(b=BASE))
    request = messages.request_of(element)
    start, end = messages.reply_tags(request)
    written = start + messages.ok_element(request) + end
    assert written.decode() == reply.format(b=BASE)
    read = etree.fromstring(written)
    assert dict(read.attrib) == dict(element.attrib)
    assert read.nsmap == element.nsmap
    assert [child.tag for child in read] == [f"{{{BASE}}}ok"]


def test_errors_are_in_the_base_namespace_whatever_the_client_declares():
    rpc = etree.fromstring(f'<nc:rpc xmlns="urn:mine" xmlns:nc="{BASE}" xmlns:c="urn:other" message-id="1"/>')
    request = messages.request_of(rpc)
    start, end = messages.reply_tags(request)
    fault = MissingAttribute("m", path=ErrorPath("/nc:a", {"nc": "urn:clash"}), info=[("bad-element", "rpc")])
    reply = etree.fromstring(start + messages.error_elements(request, [fault]) + end)
    assert [facts(error) for error in messages.read_errors(reply)] == [facts(fault)]


def test_rpc_and_notification():
    assert messages.rpc("7", b"<get/>", {"a": "<"}).decode() == (
        f'<rpc xmlns="{BASE}" message-id="7" a="&lt;"><get/></rpc>'
    )
    assert messages.notification("2026-11-23T10:00:00Z", b'<x xmlns="urn:x"/>') == (
        b'<notification xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0">'
        b'<eventTime>2026-11-23T10:00:00Z</eventTime><x xmlns="urn:x"/></notification>'
    )


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_makes_well_formed_xml(message, info):
    wire = messages.error_elements(None, [InvalidValue(message, info=[("bad-element", info)])])
    element = etree.fromstring(wire)
    if all(character >= " " for character in message):
        assert len(element.findtext("error-message")) == len(message)
    assert b"]]>" not in wire
