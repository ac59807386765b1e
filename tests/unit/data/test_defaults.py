"""Defaults in use."""

from __future__ import annotations

import pytest

from cryptomap.data.defaults import Default, effective, value
from cryptomap.data.tree import Node
from cryptomap.data.view import fill
from cryptomap.schema.nodes import InnerNode, Leaf, LeafList
from support.shop import shop_schema, tree


def leaf(path: str) -> Leaf | LeafList:
    node = shop_schema().find(f"/shop:shop/{path}")
    assert isinstance(node, Leaf | LeafList)
    return node


def shop(inner: str) -> Node:
    node = tree(inner + "<size>1</size>").node("shop:shop")
    assert node is not None
    return node


@pytest.mark.parametrize(
    ("inner", "name", "expected"),
    [
        ("", "open", "true"),
        ("<open>false</open>", "open", "false"),
        ("", "name", None),
        ("", "lucky", ("7", "13")),
        ("<lucky>1</lucky>", "lucky", ("1",)),
        ("", "paint:gloss", "false"),
        # in a choice: cash is the default case
        ("", "coins", "true"),
        ("<notes>3</notes>", "coins", "true"),
        ("<brand>v</brand>", "coins", None),
        ("<offline/>", "coins", None),
        # in a choice inside a case that is not the default one, the inner choice has no default case
        ("", "online", None),
        ("<brand>v</brand>", "online", None),
        ("<online>x</online>", "online", "x"),
        ("<offline/>", "online", None),
    ],
)
def test_the_value_in_use(inner: str, name: str, expected: object) -> None:
    assert effective(shop(inner), leaf(name)) == expected
    assert value(shop(inner), name) == expected


def test_an_absent_container_has_the_defaults_of_an_empty_one() -> None:
    assert effective(None, leaf("item/stock/count")) == "0"
    assert effective(None, leaf("coins")) == "true"
    assert effective(None, leaf("online")) is None


def test_only_leafs_have_values() -> None:
    with pytest.raises(KeyError):
        value(shop(""), "sign")
    with pytest.raises(KeyError):
        value(shop(""), "nope")


def test_fill_writes_out_every_default_in_use() -> None:
    root = tree("<name>taxed</name><item><id>1</id></item>")
    node = fill(shop_schema(), root).node("shop:shop")
    assert node is not None
    assert (node["open"], node["coins"], node["online"], node["lucky"]) == ("true", "true", None, ("7", "13"))
    item = node.entries("item").get(1)
    assert item is not None
    assert item["price"] == "1.0"
    stock = item.node("stock")
    assert stock is not None
    assert stock["count"] == "0"
    assert isinstance(node["open"], Default)
    assert not isinstance(node["name"], Default)


def test_a_default_under_a_when_is_in_use_while_the_when_holds() -> None:
    taxed, untaxed = (fill(shop_schema(), tree(f"<name>{name}</name>")) for name in ("taxed", "free"))
    assert taxed.node("shop:shop").text("vat") == "19"  # type: ignore[union-attr]
    assert untaxed.node("shop:shop").text("vat") is None  # type: ignore[union-attr]


def test_fill_makes_containers_that_only_hold_defaults() -> None:
    empty = Node.empty(shop_schema().root)
    node = fill(shop_schema(), empty).node("shop:shop")
    assert node is not None
    assert node["open"] == "true"
    assert node["sign"] is None
    assert isinstance(node.schema, InnerNode)
