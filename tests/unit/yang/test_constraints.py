"""What the modules themselves refuse: literal configurations of one context, good and bad.

libyang and our own engine have to agree on each.

Each must has at least one case here, named by its error-app-tag.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from cryptomap.schema.nodes import DataNode, Schema

Verdict = Callable[[str], str]

CONTEXTS = "urn:cryptomap:yang:cryptomap-context"
XMLNS = {
    "acl": 'xmlns="urn:cryptomap:yang:cryptomap-acl"',
    "app": 'xmlns="urn:cryptomap:yang:cryptomap-application" xmlns:t="urn:cryptomap:yang:cryptomap-types"',
    "ipsec": 'xmlns="urn:cryptomap:yang:cryptomap-ipsec" xmlns:t="urn:cryptomap:yang:cryptomap-types"',
    "qos": 'xmlns="urn:cryptomap:yang:cryptomap-qos"',
}

TRANSFORM = "<ipsec-transform-set ipsec><name>x</name>{}</ipsec-transform-set>"
MAP = "<crypto-map ipsec><name>m</name>{}</crypto-map>"
IKEV2_MAP = MAP.format("<type>ikev2-ipv4</type>{}")
MANUAL_MAP = MAP.format("<type>manual</type><manual>{}</manual>")
PAYLOAD = IKEV2_MAP.format("<ikev2><payload><name>p</name><match>ipv4</match>{}</payload></ikev2>")
RULES = "<access-list acl><name>a</name>{}</access-list>"
RULE = "<rule><name>{}</name></rule>"
ACL_MAP = IKEV2_MAP.format("<match-address>a</match-address>")
INTERFACE = "<interface><name>i</name>{}<crypto-map ipsec><name>m</name></crypto-map></interface>"
IPV4 = "<ipv4><address>192.0.2.1</address></ipv4>"
IPV6 = "<ipv6><address>2001:db8::1</address></ipv6>"


def contexts(inner: str) -> str:
    """One context with this inside; a bare word in a start tag is short for a namespace declaration."""
    for word, declaration in XMLNS.items():
        inner = inner.replace(f" {word}>", f" {declaration}>")
    return f'<contexts xmlns="{CONTEXTS}"><context><name>c</name>{inner}</context></contexts>'


MUSTS: list[tuple[str, str, str]] = [
    # error-app-tag, configuration, part of the error-message
    ("aead-integrity", TRANSFORM.format("<encryption>t:aes-128-gcm-64</encryption><hmac>t:sha1-96</hmac>"), "brings"),
    ("null-null", TRANSFORM.format("<encryption>t:null</encryption><hmac>t:null</hmac>"), "are both null"),
    ("ah-integrity", TRANSFORM.format("<protocol>ah</protocol><hmac>t:null</hmac>"), "AH is nothing but integrity"),
    ("esn-off", TRANSFORM.format("<esn>true</esn>"), "Extended sequence numbers are not supported"),
    ("transport-mode-dscp", TRANSFORM.format("<mode>transport</mode><dscp>40</dscp>"), "no outer header to mark"),
    ("crypto-acl-single-rule", RULES.format(RULE.format(1) + RULE.format(2)) + ACL_MAP, "has a single rule"),
    ("address-family", RULES.format("<family>ipv6</family>") + ACL_MAP, "access list is not of the address family"),
    (
        "address-family",
        RULES.format("") + MAP.format("<type>manual</type><match-address>a</match-address><peer>2001:db8::2</peer>"),
        "access list is not of the address family of the peer",
    ),
    ("address-family", IKEV2_MAP.format("<peer>2001:db8::2</peer>"), "has an IPv4 peer"),
    ("address-family", MAP.format("<type>ikev2-ipv6</type><peer>192.0.2.2</peer>"), "has an IPv6 peer"),
    (
        "address-family",
        IKEV2_MAP.format("<ikev2><payload><name>p</name><match>ipv6</match></payload></ikev2>"),
        "payload is not of the address family",
    ),
    ("address-family", IKEV2_MAP.format("") + INTERFACE.format(IPV6), "needs an IPv4 address of the interface"),
    (
        "address-family",
        MAP.format("<type>ikev2-ipv6</type>") + INTERFACE.format(IPV4),
        "needs an IPv6 address of the interface",
    ),
    (
        "address-family",
        RULES.format("<rule><name>1</name><source><prefix>2001:db8::/32</prefix></source></rule>"),
        "prefix is not of the address family",
    ),
    (
        "port-range",
        RULES.format(
            "<rule><name>1</name><protocol>udp</protocol>"
            "<source><lower-port>20</lower-port><upper-port>10</upper-port></source></rule>"
        ),
        "upper port is below",
    ),
    (
        "ah-manual-only",
        TRANSFORM.format("<protocol>ah</protocol>") + PAYLOAD.format("<transform-set>x</transform-set>"),
        "AH is not negotiated",
    ),
    ("rekey-keepalive", PAYLOAD.format("<rekey-keepalive>true</rekey-keepalive>"), "needs rekey"),
    ("address-range", PAYLOAD.format("<tsi><start-address>10.0.0.1</start-address></tsi>"), "set both"),
    ("address-range", PAYLOAD.format("<tsr><end-address>10.0.0.1</end-address></tsr>"), "set both"),
    (
        "manual-one-transform-set",
        TRANSFORM.format("")
        + TRANSFORM.format("").replace(">x<", ">y<")
        + MANUAL_MAP.format("<transform-set>x</transform-set><transform-set>y</transform-set>"),
        "list one transform set only",
    ),
    (
        "manual-aead",
        TRANSFORM.format("<encryption>t:aes-256-gcm-128</encryption>")
        + MANUAL_MAP.format("<transform-set>x</transform-set>"),
        "not safe with static keys",
    ),
    (
        "spi-min-256",
        MANUAL_MAP.format("<session-key><inbound><spi>255</spi></inbound></session-key>"),
        "SPI values 0 to 255 are reserved",
    ),
]


@pytest.mark.parametrize(("tag", "inner", "message"), MUSTS, ids=[f"{n}-{case[0]}" for n, case in enumerate(MUSTS)])
def test_must_refuses(verdict: Verdict, tag: str, inner: str, message: str) -> None:
    said = verdict(contexts(inner))
    assert message in said
    assert said.startswith("libyang") or f"[{tag}]" in said


def test_every_must_has_a_case(schema: Schema) -> None:
    """By error-app-tag and message, as the compiled schema has them."""
    musts: set[tuple[str | None, str | None]] = set()

    def collect(node: DataNode) -> None:
        if node.module.startswith("cryptomap-"):
            musts.update((must.app_tag, must.message) for must in node.musts)

    schema.walk(collect)
    untested = [must for must in musts if not any(tag == must[0] and text in str(must[1]) for tag, _, text in MUSTS)]
    unknown = [
        (tag, text) for tag, _, text in MUSTS if not any(tag == must[0] and text in str(must[1]) for must in musts)
    ]
    assert (untested, unknown) == ([], [])


SEALED = "$cm1$q83vEjRWeJC/+A=="
PROTECTED = (
    "<application app><name>a</name><type>t:srp</type>"
    "<protected-by><context>{}</context><crypto-map>{}</crypto-map></protected-by></application>"
)

TYPES_AND_REFERENCES: list[tuple[str, str, str]] = [
    # what is refused, configuration, part of what both say
    ("missing access list", ACL_MAP, "match-address"),
    ("missing crypto map", INTERFACE.format(""), "crypto-map"),
    ("crypto map that the named context lacks", IKEV2_MAP.format("") + PROTECTED.format("c", "n"), "protected-by"),
    ("context that does not exist", IKEV2_MAP.format("") + PROTECTED.format("d", "m"), "protected-by"),
    ("missing IPsec transform set", PAYLOAD.format("<transform-set>x</transform-set>"), "transform-set"),
    (
        "missing template",
        "<security-service ipsec><name>s</name><bind><crypto-template>t</crypto-template></bind></security-service>",
        "crypto-template",
    ),
    (
        "missing table",
        "<associate-l2-mapping-table qos><name>t</name></associate-l2-mapping-table>",
        "associate-l2-mapping-table",
    ),
    ("map without a type", MAP.format(""), "type"),
    ("DSCP in hex", TRANSFORM.format("<dscp>0x28</dscp>"), "0x28"),
    ("DSCP of seven bits", TRANSFORM.format("<dscp>64</dscp>"), "64"),
    ("null cipher for IKE", "<ikev2-ikesa-transform-set ipsec><name>i</name><encryption>t:null</encryption>"
     "</ikev2-ikesa-transform-set>", "null"),
    ("GCM for IKE", "<ikev2-ikesa-transform-set ipsec><name>i</name><encryption>t:aes-128-gcm-64</encryption>"
     "</ikev2-ikesa-transform-set>", "gcm"),
    ("group 19", "<ikev2-ikesa-transform-set ipsec><name>i</name><group>19</group></ikev2-ikesa-transform-set>", "19"),
    ("lifetime under a minute", PAYLOAD.format("<lifetime>59</lifetime>"), "59"),
    ("nine retransmissions", IKEV2_MAP.format("<ikev2><ikev2-ikesa><max-retransmissions>9</max-retransmissions>"
     "</ikev2-ikesa></ikev2>"), "9"),
    ("key of 256 characters", IKEV2_MAP.format("<ikev2><authentication><local><pre-shared-key>" + "k" * 256
     + "</pre-shared-key></local></authentication></ikev2>"), "pre-shared-key"),
    ("empty key", IKEV2_MAP.format("<ikev2><authentication><local><pre-shared-key/></local></authentication></ikev2>"),
     "pre-shared-key"),
    ("key that is no hex", MANUAL_MAP.format("<session-key><inbound><cipher-key>secret</cipher-key></inbound>"
     "</session-key>"), "cipher-key"),
    ("host bits are no prefix", RULES.format("<rule><name>1</name><source><prefix>192.0.2.1 0.0.0.0</prefix></source>"
     "</rule>"), "prefix"),
    ("application of unknown type", "<application app><name>a</name><type>t:ftp</type></application>", "ftp"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("inner", "said"), [case[1:] for case in TYPES_AND_REFERENCES], ids=[case[0] for case in TYPES_AND_REFERENCES]
)
def test_type_or_reference_refuses(verdict: Verdict, inner: str, said: str) -> None:
    assert said in verdict(contexts(inner))


def proposals(count: int) -> str:
    names = [f"x{number}" for number in range(count)]
    sets = "".join(TRANSFORM.format("").replace(">x<", f">{name}<") for name in names)
    return sets + PAYLOAD.format("".join(f"<transform-set>{name}</transform-set>" for name in names))


ACCEPTED: list[tuple[str, str]] = [
    ("GCM without hmac", TRANSFORM.format("<encryption>t:aes-256-gcm-128</encryption>")),
    ("GCM with hmac null", TRANSFORM.format("<encryption>t:aes-256-gcm-128</encryption><hmac>t:null</hmac>")),
    ("null cipher with the default hmac", TRANSFORM.format("<encryption>t:null</encryption>")),
    ("cipher without integrity, which is only warned of", TRANSFORM.format("<hmac>t:null</hmac>")),
    ("AH", TRANSFORM.format("<protocol>ah</protocol><hmac>t:sha2-256-128</hmac>")),
    ("transport mode without a DSCP", TRANSFORM.format("<mode>transport</mode>")),
    ("DSCP 0, which is not the same as none", TRANSFORM.format("<dscp>0</dscp>")),
    ("crypto ACL without a rule", RULES.format("") + ACL_MAP),
    ("crypto ACL with one rule", RULES.format(RULE.format(1)) + ACL_MAP),
    ("access list with two rules that no map uses", RULES.format(RULE.format(1) + RULE.format(2))),
    ("IPv6 rule", RULES.format("<family>ipv6</family><rule><name>1</name>"
     "<source><prefix>2001:db8::/32</prefix></source></rule>")),
    ("port", RULES.format("<rule><name>1</name><protocol>tcp</protocol>"
     "<destination><port>6002</port></destination></rule>")),
    ("map with nothing but its type", IKEV2_MAP.format("")),
    ("dynamic map", MAP.format("<type>dynamic</type><ikev2><authentication><remote><pre-shared-key>key</pre-shared-key>"
     "</remote></authentication></ikev2>")),
    ("manual map", TRANSFORM.format("") + MANUAL_MAP.format("<transform-set>x</transform-set><session-key><inbound>"
     "<spi>256</spi><cipher-key>00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff</cipher-key></inbound></session-key>")),
    ("manual map without a transform set", MANUAL_MAP.format("")),
    ("four proposals", proposals(4)),
    ("sealed key", IKEV2_MAP.format("<ikev2><authentication><local><pre-shared-key>" + SEALED + "</pre-shared-key>"
     "</local></authentication></ikev2>")),
    ("sealed manual key", MANUAL_MAP.format("<session-key><outbound><cipher-key>" + SEALED + "</cipher-key></outbound>"
     "</session-key>")),
    ("map on an interface that has no address yet", IKEV2_MAP.format("") + INTERFACE.format("")),
    ("map on an interface with both addresses", IKEV2_MAP.format("") + INTERFACE.format(IPV4 + IPV6)),
    ("map of the own context", IKEV2_MAP.format("") + PROTECTED.format("c", "m")),
    ("service without a template", "<security-service ipsec><name>s</name></security-service>"),
    ("two services with one template", "<crypto-template ipsec><name>t</name></crypto-template>" + "".join(
        f"<security-service ipsec><name>{name}</name><bind><crypto-template>t</crypto-template></bind>"
        "</security-service>" for name in ("s", "u"))),
    ("system-default, which is not the same as none",
     "<associate-l2-mapping-table qos><system-default/></associate-l2-mapping-table>"),
]  # fmt: skip


@pytest.mark.parametrize("inner", [case[1] for case in ACCEPTED], ids=[case[0] for case in ACCEPTED])
def test_accepted(verdict: Verdict, inner: str) -> None:
    assert verdict(contexts(inner)) == ""


def test_five_proposals_are_too_many(verdict: Verdict) -> None:
    assert "transform-set" in verdict(contexts(proposals(5)))


def test_application_may_name_a_map_of_another_context(verdict: Verdict) -> None:
    """The Day-1 violation can be expressed: refusing it is a commit rule."""
    other = contexts(IKEV2_MAP.format("")).replace("<name>c</name>", "<name>d</name>")
    own = contexts(PROTECTED.format("d", "m"))
    both = other.replace("</contexts>", "") + own[own.index("<context>") :]
    assert verdict(both) == ""


TABLE = '<qos xmlns="urn:cryptomap:yang:cryptomap-qos"><l2-mapping-table><name>{}</name></l2-mapping-table></qos>'


@pytest.mark.parametrize("name", ["l2Marktable", "1", "t" * 80, "edge_a-1.b"])
def test_l2_table_name(verdict: Verdict, name: str) -> None:
    assert verdict(TABLE.format(name)) == ""


@pytest.mark.parametrize("name", ["system-default", "", "t" * 81, "two words", "-t"])
def test_bad_l2_table_name(verdict: Verdict, name: str) -> None:
    assert "name" in verdict(TABLE.format(name))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("<cos>8</cos><color>0</color>", "8"),
        ("<cos>0</cos><color>4</color>", "4"),
        ("<cos>0</cos><color>0</color><dot1p-value>16</dot1p-value>", "16"),
        ("<cos>0</cos><color>0</color><mpls-tc>8</mpls-tc>", "8"),
    ],
)
def test_l2_row_out_of_range(verdict: Verdict, row: str, said: str) -> None:
    table = TABLE.replace("</name>", f"</name><internal-priority>{row}</internal-priority>").format("t")
    assert re.search(f"[\"']{said}[\"']", verdict(table))
