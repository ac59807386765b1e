"""The writer: layout, and the report of what StarOS text cannot say."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from lxml import etree

from cryptomap.data.path import text_of
from cryptomap.data.tree import Node
from cryptomap.data.xml import read_config, read_inner
from cryptomap.schema.nodes import Schema
from cryptomap.staros import Imported, export_text
from support.yang import module, product_schema, schema_of

Import = Callable[..., Imported]

CONTEXTS = '<contexts xmlns="urn:cryptomap:yang:cryptomap-context">{}</contexts>'
IPSEC = 'xmlns="urn:cryptomap:yang:cryptomap-ipsec"'


def test_nothing_is_two_lines(schema: Schema) -> None:
    assert export_text(schema, Node.empty(schema.root)).text == "config\nend\n"


def test_each_mode_is_indented_and_closed(take: Import, schema: Schema) -> None:
    root = take("context c\ncrypto map m ikev2-ipv4\npayload p match ipv4\nrekey keepalive").root
    assert export_text(schema, root).text == (
        "config\n"
        "  context c\n"
        "    crypto map m ikev2-ipv4\n"
        "      payload p match ipv4\n"
        "        rekey keepalive\n"
        "      #exit\n"
        "    #exit\n"
        "  #exit\n"
        "end\n"
    )


def test_what_is_referred_to_stands_before_what_refers_to_it(take: Import, schema: Schema) -> None:
    """So that a gateway can take the text line by line."""
    lines = [
        "context c",
        "associate l2-mapping-table name t",
        "interface x",
        "crypto-map m",
        "exit",
        "crypto map m ikev2-ipv4",
        "match address a",
        "exit",
        "ip access-list a",
        "exit",
        "exit",
        "qos l2-mapping-table name t",
    ]
    text = export_text(schema, take("\n".join(lines)).root).text
    order = ["qos l2-mapping-table", "ip access-list a", "crypto map m", "interface x", "associate"]
    assert sorted(order, key=text.index) == order


def test_quoted_values(take: Import, schema: Schema) -> None:
    text = 'context c\ninterface x\ndescription "to \\"the\\" core"\n'
    assert 'description "to \\"the\\" core"' in export_text(schema, take(text).root).text


UNSAID = [
    ("<day1-complete>true</day1-complete>", ["contexts"]),
    ("<context><name>c</name><description>x</description></context>", ["description"]),
    (
        "<context><name>c</name><interface><name>x</name><description>a&#10;b</description></interface></context>",
        ["description"],
    ),
    (
        "<context><name>c</name><interface><name>x</name><ipv4><prefix-length>24</prefix-length></ipv4></interface></context>",
        ["ipv4"],
    ),
    (
        f"<context><name>c</name><crypto-map {IPSEC}><name>m</name><type>ikev2-ipv4</type><ikev2><ikev2-ikesa>"
        "<rekey>true</rekey>"
        "<fragmentation><enabled>false</enabled></fragmentation>"
        "<dh-exponential-reuse-group>2</dh-exponential-reuse-group>"
        "</ikev2-ikesa><authentication><local><identity>me</identity><certificate/></local></authentication></ikev2>"
        "</crypto-map></context>",
        ["identity", "dh-exponential-reuse-group", "fragmentation"],
    ),
    (
        f"<context><name>c</name><crypto-map {IPSEC}><name>m</name><type>ikev2-ipv4</type>"
        "<match-preference>5</match-preference></crypto-map></context>",
        ["match-preference"],
    ),
    (
        f"<context><name>c</name><crypto-map {IPSEC}><name>m</name><type>ikev2-ipv4</type>"
        "<manual><mtu>1400</mtu></manual></crypto-map></context>",
        ["manual"],
    ),
    (
        '<context><name>c</name><application xmlns="urn:cryptomap:yang:cryptomap-application" '
        'xmlns:t="urn:cryptomap:yang:cryptomap-types"><name>a</name><type>t:sx</type><dscp>40</dscp>'
        "</application></context>",
        ["dscp"],
    ),
]


@pytest.mark.parametrize(("xml", "unsaid"), UNSAID, ids=[str(case[1]) for case in UNSAID])
def test_what_text_cannot_say_is_reported(
    configuration: Callable[[str], Node], schema: Schema, xml: str, unsaid: list[str]
) -> None:
    exported = export_text(schema, configuration(CONTEXTS.format(xml)))
    assert [path[-1][0].name for path in exported.unsaid] == unsaid


DEFAULTS = [
    f"<crypto-map {IPSEC}><name>m</name><initiate>on-traffic</initiate></crypto-map>",
    "<loopback>false</loopback>",
    "<ipv4><address>192.0.2.1</address><prefix-length>32</prefix-length></ipv4>",
]


@pytest.mark.parametrize("content", DEFAULTS)
def test_what_a_text_says_by_silence_is_not_reported(
    configuration: Callable[[str], Node], schema: Schema, content: str
) -> None:
    xml = f"<context><name>c</name><interface><name>x</name>{content}</interface></context>"
    assert export_text(schema, configuration(CONTEXTS.format(xml))).unsaid == ()


def test_state_is_passed_over() -> None:
    schema = product_schema()
    state = f"<crypto-template {IPSEC}><name>t</name><state><status>complete</status></state></crypto-template>"
    data = etree.fromstring(f"<data>{CONTEXTS.format(f'<context><name>c</name>{state}</context>')}</data>")
    exported = export_text(schema, read_inner(schema, schema.root, data))
    assert exported.text == "config\n  context c\n    crypto template t ikev2-dynamic\n    #exit\n  #exit\nend\n"
    assert exported.unsaid == ()


def test_other_modules_are_reported_too() -> None:
    schema = schema_of(
        module(
            "toaster", "container toaster { leaf slots { type uint8; } list rack { key n; leaf n { type string; } } }"
        )
    )
    config = etree.fromstring(
        '<config><toaster xmlns="urn:toaster"><slots>2</slots><rack><n>a</n></rack></toaster></config>'
    )
    exported = export_text(schema, read_config(schema, config))
    assert exported.text == "config\nend\n"
    assert [text_of(path) for path in exported.unsaid] == ["/toaster:toaster"]
