"""Each operation as literal XML."""

from __future__ import annotations

import pytest
from lxml import etree

from cryptomap.client import requests

CASES = [
    (requests.get(None, None), "<get></get>"),
    (requests.get("<a xmlns='u'/>", None), "<get><filter type=\"subtree\"><a xmlns='u'/></filter></get>"),
    (requests.get(None, "/a[b='<']"), '<get><filter type="xpath" select="/a[b=\'&lt;\']"/></get>'),
    (requests.get_config("running", None, None), "<get-config><source><running/></source></get-config>"),
    (
        requests.edit_config("<a/>", "candidate", None, None, None),
        "<edit-config><target><candidate/></target><config><a/></config></edit-config>",
    ),
    (
        requests.edit_config(b"<a/>", "candidate", "none", "set", "rollback-on-error"),
        "<edit-config><target><candidate/></target><default-operation>none</default-operation>"
        "<test-option>set</test-option><error-option>rollback-on-error</error-option>"
        "<config><a/></config></edit-config>",
    ),
    (
        requests.edit_config(
            '<?xml version="1.0"?>\n<nc:config xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0"><a/></nc:config>',
            "running",
            None,
            None,
            None,
        ),
        "<edit-config><target><running/></target>\n"
        '<nc:config xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0"><a/></nc:config></edit-config>',
    ),
    (
        requests.copy_config("candidate", "running"),
        "<copy-config><target><running/></target><source><candidate/></source></copy-config>",
    ),
    (requests.validate("candidate"), "<validate><source><candidate/></source></validate>"),
    (requests.lock("running"), "<lock><target><running/></target></lock>"),
    (requests.unlock("running"), "<unlock><target><running/></target></unlock>"),
    (
        requests.get_schema("m&m", "2026-01-01", None),
        '<get-schema xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring">'
        "<identifier>m&amp;m</identifier><version>2026-01-01</version></get-schema>",
    ),
    (
        requests.create_subscription(None, "NETCONF"),
        '<create-subscription xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0">'
        "<stream>NETCONF</stream></create-subscription>",
    ),
]


@pytest.mark.parametrize(("written", "expected"), CASES)
def test_operations(written, expected):
    assert written.decode() == expected
    etree.fromstring(written)


def test_elements_and_text_are_the_same():
    element = etree.fromstring("<a><b x='1'/> tail</a>")
    assert requests.as_bytes(element[0]) == b'<b x="1"/>'
    assert requests.as_bytes('<?xml version="1.0" encoding="UTF-8"?><é/>') == "<é/>".encode()
