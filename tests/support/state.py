"""Reading a server's answers in tests: short names for namespaces, texts, and the state the seed's sample leads to."""

from __future__ import annotations

from lxml import etree

NS = {
    "nc": "urn:ietf:params:xml:ns:netconf:base:1.0",
    "ncn": "urn:ietf:params:xml:ns:netconf:notification:1.0",
    "ncm": "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring",
    "event": "urn:ietf:params:xml:ns:yang:ietf-netconf-notifications",
    "ctx": "urn:cryptomap:yang:cryptomap-context",
    "acl": "urn:cryptomap:yang:cryptomap-acl",
    "ips": "urn:cryptomap:yang:cryptomap-ipsec",
    "app": "urn:cryptomap:yang:cryptomap-application",
    "qos": "urn:cryptomap:yang:cryptomap-qos",
    "plat": "urn:cryptomap:yang:cryptomap-platform",
    "server": "urn:cryptomap:yang:cryptomap-server",
    "trace": "urn:cryptomap:yang:cryptomap-trace",
}
INTERFACE = "saegw-l1l-loopback-ipv4"
BINDINGS = f"//ctx:context[ctx:name='ipsec-d']/ctx:interface[ctx:name='{INTERFACE}']/ips:crypto-map"


def elements(element: etree._Element, path: str) -> list[etree._Element]:
    """The elements an XPath finds."""
    found = element.xpath(path, namespaces=NS)
    assert isinstance(found, list)
    return [item for item in found if isinstance(item, etree._Element)]


def texts(element: etree._Element, path: str) -> list[str]:
    """The texts of the elements an XPath finds."""
    return [(item.text or "").strip() for item in elements(element, path)]


def text(element: etree._Element, path: str) -> str:
    [found] = texts(element, path)
    return found


def assert_seed_is_up(data: etree._Element) -> None:
    """The state the seed's sample leads to: maps complete, SAs with SPIs, DSCP 0x28 applied, tables filled in."""
    for name in ("foo0", "foo1"):
        crypto_map = f"//ctx:context[ctx:name='ipsec-d']/ips:crypto-map[ips:name='{name}']"
        assert text(data, f"{crypto_map}/ips:state/ips:status") == "complete"
        binding = f"{BINDINGS}[ips:name='{name}']/ips:state"
        assert text(data, f"{binding}/ips:status") == "up"
        assert text(data, f"{binding}/ips:reapply-pending") == "false"
        assert int(text(data, f"{binding}/ips:child-sa/ips:inbound-spi")) >= 256
        assert int(text(data, f"{binding}/ips:child-sa/ips:outbound-spi")) >= 256
        assert int(text(data, f"{binding}/ips:child-sa/ips:applied-dscp")) == 0x28
        assert text(data, f"{binding}/ips:child-sa/ips:transform-set") == "A-foo"
    assert_tables(data)


def assert_tables(data: etree._Element) -> None:
    """The 64 rows DSCP -> cos and the 8 x 4 cells of each table, the configured ones and the defaults."""
    rows = "//qos:qos/qos:state/qos:ip-dscp-iphb-mapping"
    cos = dict(zip(texts(data, f"{rows}/qos:dscp"), texts(data, f"{rows}/qos:cos"), strict=True))
    assert [dscp for dscp, value in cos.items() if value == "1"] == ["40"]
    assert len(cos) == 64
    assert cells(data, "//qos:l2-mapping-table[qos:name='l2Marktable']")[1, 0] == (0x4, 6)
    assert cells(data, "//qos:l2-mapping-table[qos:name='l2Marktable']")[1, 1] == (0x2, 1)
    assert cells(data, "//qos:system-default-l2-mapping-table")[1, 0] == (0x2, 1)


def cells(data: etree._Element, table: str) -> dict[tuple[int, int], tuple[int, int]]:
    """(cos, color) -> (802.1p value, MPLS TC), all 32 of them."""
    found = {}
    for row in elements(data, f"{table}/qos:state/qos:internal-priority"):
        cos, color, dot1p, mpls_tc = (int(text(row, f"qos:{n}")) for n in ("cos", "color", "dot1p-value", "mpls-tc"))
        found[cos, color] = dot1p, mpls_tc
    assert sorted(found) == [(cos, color) for cos in range(8) for color in range(4)]
    return found
