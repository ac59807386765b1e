"""The reference of the models says of each node where it is, what it takes and what it means."""

from __future__ import annotations

import pytest

from cryptomap.schema.nodes import DataNode, Leaf, LeafList, Schema
from cryptomap.schema.reference import page, pages, type_text
from support.server import ROOT
from support.yang import product_schema

QOS = "| `/qos/l2-mapping-table/internal-priority/dot1p-value` | uint8, 0 to 15 | The four 802.1p bits: PCP times 2"


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return pages(product_schema())


def test_the_reference_is_that_of_the_models_today(made: dict[str, str]) -> None:
    """Otherwise: make docs."""
    kept = {path.stem: path.read_text() for path in (ROOT / "docs/reference").glob("*.md")}
    assert kept == made


def test_a_node_has_its_type_and_its_meaning(made: dict[str, str]) -> None:
    assert QOS in made["cryptomap-qos"]
    assert "  +--rw qos\n" in made["cryptomap-qos"]


def test_no_node_of_ours_is_left_out(made: dict[str, str]) -> None:
    schema, text = product_schema(), "".join(made.values())
    missing = []

    def visit(node: DataNode) -> None:
        last = node.path.rpartition("/")[2].rpartition(":")[2]
        if node.module in made and f"/{last}` |" not in text:
            missing.append(node.path)

    schema.walk(visit)
    assert missing == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/cryptomap-qos:qos/ip-dscp-iphb-mapping/cos", "uint8, 0 to 7"),
        ("/cryptomap-context:contexts/context/cryptomap-ipsec:crypto-map/match-address", "name of `"),
        ("/cryptomap-context:contexts/context/cryptomap-ipsec:ipsec-transform-set/mode", "tunnel, transport"),
        ("/cryptomap-context:contexts/context/interface/loopback", "boolean"),
    ],
)
def test_a_type_in_words(path: str, text: str) -> None:
    node = find(product_schema(), path)
    assert type_text(node.type).startswith(text)


def find(schema: Schema, path: str) -> Leaf | LeafList:
    node = schema.find(path)
    assert isinstance(node, (Leaf, LeafList))
    return node


def test_a_module_without_nodes_has_no_page(made: dict[str, str]) -> None:
    assert "cryptomap-types" not in made
    assert page(product_schema(), "cryptomap-types").startswith("# cryptomap-types")
