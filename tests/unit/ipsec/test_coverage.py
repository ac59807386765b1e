"""No leaf of the models is forgotten: each is read for the backend, or listed as not for it, with the reason."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cryptomap.data import values
from cryptomap.data.tree import Node
from cryptomap.ipsec.coverage import NO_EFFECT, NO_EFFECT_IN_MAP, NOT_FOR_BACKENDS
from cryptomap.ipsec.names import CONTEXTS, Kind
from cryptomap.schema.cache import dumps, loads
from cryptomap.schema.nodes import DataNode, InnerNode, Leaf, LeafList, ListNode
from cryptomap_backend.intent import Intent
from support.gateway import (
    URN,
    Desk,
    acl,
    binding,
    bundle,
    context,
    contexts,
    crypto_map,
    esp_set,
    ike_set,
    ikev2,
    interface,
    leafs,
    manual,
    qos,
)
from support.yang import product_schema

KEEPALIVE = "<keepalive/>"
BY_CERTIFICATE = ikev2(more=KEEPALIVE).replace("<pre-shared-key>secret</pre-shared-key>", "<certificate/>")
BY_EAP = ikev2(more=KEEPALIVE).replace(
    "<remote><pre-shared-key>secret</pre-shared-key>", "<remote><eap-profile>e</eap-profile>"
)
VENDOR = ikev2().replace("pre-shared-key", "encrypted-key")


def service(name: str, policy: str) -> str:
    """A template and the service of the same name."""
    bind = leafs(address="192.0.2.9", crypto_template=name)
    return (
        f'<crypto-template xmlns="{URN}-ipsec"><name>{name}</name>{policy}</crypto-template>'
        f'<security-service xmlns="{URN}-ipsec"><name>{name}</name><bind>{bind}</bind></security-service>'
    )


SERVICES = [service("cert", BY_CERTIFICATE), service("eap", BY_EAP), service("vendor", VENDOR)]
ROW = f"<internal-priority>{leafs(cos=1, color=0)}</internal-priority>"
PORTS = "<source><port>1</port></source><destination><port>2</port></destination>"
PORT = f"<rule><name>r</name><protocol>tcp</protocol>{PORTS}</rule>"
V6 = crypto_map("v6", type="ikev2-ipv6", acl="v6", peer="2001:db8::1", inner=ikev2(match="ipv6"))
RICH = [
    bundle("red", *SERVICES, "<vrf><name>v</name></vrf>"),
    context(
        "blue",
        interface("if", binding("cert"), binding("manual"), binding("icmp"), binding("vendor")),
        interface("if6", binding("v6"), address="2001:db8::9"),
        f'<access-list xmlns="{URN}-acl"><name>a</name>{PORT}</access-list>',
        acl("icmp", rule="<protocol>icmp</protocol>"),
        acl("v6", "2001:db8:1::/48", "2001:db8:2::/48"),
        ike_set(),
        esp_set(),
        crypto_map("cert", inner=BY_CERTIFICATE),
        crypto_map("icmp", acl="icmp"),
        crypto_map("manual", type="manual", inner=manual()),
        crypto_map("vendor", inner=VENDOR),
        V6,
    ),
]
QOS = qos(
    f"<ip-dscp-iphb-mapping>{leafs(dscp=1, cos=1)}</ip-dscp-iphb-mapping>",
    f"<l2-mapping-table><name>T</name>{ROW}</l2-mapping-table>",
    f"<system-default-l2-mapping-table>{ROW}</system-default-l2-mapping-table>",
)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> set[DataNode]:
    """The schema nodes that reading an intent asks for, of a configuration with every kind of object in it.

    A name is looked up once per schema, hence a schema of which nothing was read before."""
    fresh = loads(dumps(product_schema()))
    monkeypatch.setattr("support.gateway.product_schema", lambda: fresh)
    seen: set[DataNode] = set()
    resolve = values.resolve

    def noting(schema: InnerNode, path: str) -> tuple[DataNode, ...]:
        found = resolve(schema, path)
        seen.update(found)
        return found

    desk = Desk()
    desk.running = desk.edited(contexts(*RICH) + QOS)
    monkeypatch.setattr(values, "resolve", noting)
    reader = desk.scopes.reader(desk.running)
    intent = reader.intent(lambda item: None)
    assert isinstance(intent, Intent)
    assert len(intent.responders) == 1  # by EAP; the others lack a certificate or a key
    return seen


def configured(node: InnerNode) -> Iterator[DataNode]:
    for child in node.children:
        if not child.config:
            continue
        if isinstance(child, Leaf | LeafList):
            yield child
        elif isinstance(child, InnerNode):
            yield from configured(child)


def excused() -> dict[str, str]:
    """Schema path -> reason."""
    below = {f"{CONTEXTS}/{kind}/{path}": why for kind in (Kind.MAP, Kind.TEMPLATE) for path, why in NO_EFFECT.items()}
    below |= {f"{CONTEXTS}/{Kind.MAP}/ikev2/payload/{path}": why for path, why in NO_EFFECT_IN_MAP.items()}
    schema = Desk().schema
    found = {}
    for path, why in {**below, **NOT_FOR_BACKENDS}.items():
        try:
            found[schema.find(path).path] = why
        except LookupError:
            assert "max-childsa" in path or "isakmp" in path, path  # of templates only; behind a feature
    return found


def test_every_leaf_is_read_or_excused(read: set[DataNode]) -> None:
    schema = Desk().schema
    excuses = excused()
    forgotten = [
        leaf.path
        for top in ("cryptomap-context:contexts", "cryptomap-qos:qos")
        for leaf in configured(top_node(schema.find(top)))
        if leaf not in read
        and not (isinstance(leaf, Leaf) and leaf.is_key)
        and not any(leaf.path == path or leaf.path.startswith(f"{path}/") for path in excuses)
    ]
    assert not forgotten, "\n".join(forgotten)


def test_nothing_is_excused_that_is_read(read: set[DataNode]) -> None:
    paths = {node.path for node in read}
    assert paths & excused().keys() == set()


def test_every_list_is_read_or_excused(read: set[DataNode]) -> None:
    schema = Desk().schema
    lists = []
    schema.walk(lambda node: lists.append(node) if isinstance(node, ListNode) and node.config else None)
    ours = [node for node in lists if node.module.startswith("cryptomap-")]
    assert len(ours) > 15
    assert [node.path for node in ours if node not in read and node.path not in excused()] == []


def top_node(node: DataNode) -> InnerNode:
    assert isinstance(node, InnerNode)
    return node


def test_reading_leaves_the_tree_alone() -> None:
    desk = Desk()
    desk.load(contexts(*RICH))
    root = desk.running.root
    before = Node(root.schema, root.slots)
    desk.scopes.reader(desk.running).intent(lambda item: None)
    assert before == root
