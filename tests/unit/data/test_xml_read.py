"""XML elements to trees: what is taken, how it is stored, and what is refused with which error."""

from __future__ import annotations

import pytest
from lxml import etree

from cryptomap.data.tree import AnyValue, KeylessEntries, Node, SortedEntries, UserEntries
from cryptomap.data.xml import read_config, read_inner
from cryptomap.errors import RpcErrors
from cryptomap.schema.nodes import InnerNode
from support.shop import Vault, config, content, faults_of, only, shop, shop_schema, tree

SHOP = "/s:shop"


def the_shop(inner: str) -> Node:
    node = tree(inner).node("shop:shop")
    assert node is not None
    return node


def refused(inner: str) -> RpcErrors:
    with pytest.raises(RpcErrors) as caught:
        tree(inner)
    return caught.value


def test_leafs_are_stored_in_canonical_form() -> None:
    node = the_shop("<name>A &amp; B</name><open>false</open><size> +07 </size><lots/>")
    assert (node["name"], node["open"], node["size"], node["lots"]) == ("A & B", "false", "7", "")


def test_an_identity_without_any_default_namespace_is_of_the_namespace_of_its_element() -> None:
    inner = '<s:shop xmlns:s="urn:shop"><s:colour>red</s:colour></s:shop>'
    read = read_config(
        shop_schema(),
        etree.fromstring(f"<nc:config xmlns:nc='urn:ietf:params:xml:ns:netconf:base:1.0'>{inner}</nc:config>"),
        None,
    )
    node = read.node("shop:shop")
    assert node is not None
    assert node["colour"] == "shop:red"


def test_a_string_keeps_its_white_space_and_other_types_do_not_care() -> None:
    node = the_shop("<name> a\n b </name><colour>\n  s:red </colour>")
    assert (node["name"], node["colour"]) == (" a\n b ", "shop:red")


@pytest.mark.parametrize(
    "value",
    [
        "a<!-- who -->bc",
        "<![CDATA[abc]]>",
        "a<?php?>bc",
        "&#97;bc",
    ],
)
def test_comments_instructions_and_cdata_do_not_break_a_text(value: str) -> None:
    assert the_shop(f"<!-- c --><?pi?><name>{value}</name>")["name"] == "abc"


@pytest.mark.parametrize(
    ("element", "value"),
    [
        ("<colour>red</colour>", "shop:red"),
        ("<colour>s:red</colour>", "shop:red"),
        ('<colour xmlns:x="urn:paint">x:blue</colour>', "paint:blue"),
        ('<s:colour xmlns="urn:paint">blue</s:colour>', "paint:blue"),
    ],
)
def test_the_prefix_of_an_identity_is_that_of_its_place(element: str, value: str) -> None:
    assert the_shop(element)["colour"] == value


def test_an_instance_identifier_is_stored_with_module_names() -> None:
    node = the_shop("<best>/s:shop/s:item[s:id='007']</best>")
    assert node["best"] == "/shop:shop/shop:item[shop:id='7']"


def test_nodes_of_an_augment_are_in_their_own_namespace() -> None:
    node = the_shop("<p:gloss>true</p:gloss><p:finish><p:coats>2</p:coats></p:finish>")
    assert node["paint:gloss"] == "true"
    assert node.node("paint:finish") == Node(node.node("paint:finish").schema, ("2",))  # type: ignore[union-attr]


def test_lists_are_sorted_by_key_and_user_ordered_ones_keep_their_order() -> None:
    node = the_shop(
        "<item><id>10</id></item><shelf><name>z</name></shelf><item><id>9</id></item><shelf><name>a</name></shelf>"
    )
    items, shelves = node["item"], node["shelf"]
    assert isinstance(items, SortedEntries)
    assert isinstance(shelves, UserEntries)
    assert [key for key, _ in items.items()] == [9, 10]
    assert shelves.keys() == ("z", "a")


def test_an_entry_with_several_keys_takes_them_in_any_order() -> None:
    item = the_shop("<item><id>1</id><part><serial>02</serial><maker>m</maker></part></item>").entries("item").get(1)
    assert item is not None
    assert [key for key, _ in item.entries("part").items()] == [("m", 2)]


def test_leaf_lists_are_sorted_unless_the_user_orders_them() -> None:
    node = the_shop("<tag>b</tag><tag>a</tag><lucky>10</lucky><lucky>9</lucky><day>tue</day><day>mon</day>")
    assert (node["tag"], node["lucky"], node["day"]) == (("a", "b"), ("9", "10"), ("tue", "mon"))


def test_an_empty_container_is_absent_unless_its_presence_means_something() -> None:
    assert tree("") == Node.empty(shop_schema().root)
    assert the_shop("<sign/><terminal/>").node("sign") == Node.empty(the_shop("<sign/>").node("sign").schema)  # type: ignore[union-attr]
    assert the_shop("<sign/><terminal/>").node("terminal") is None


def test_anydata_and_anyxml_are_kept_as_they_are() -> None:
    node = the_shop('<extra><a xmlns="urn:a" b="1"><!-- c -->t</a></extra><blob>text<i/></blob>')
    assert node["extra"] == AnyValue(b'<extra xmlns="urn:shop"><a xmlns="urn:a" b="1">t</a></extra>')
    assert node["blob"] == AnyValue(b'<blob xmlns="urn:shop">text<i></i></blob>')


def test_a_default_namespace_from_above_holds_for_everything_inside_anydata() -> None:
    document = (
        '<config xmlns="urn:shop" xmlns:p="urn:paint"><shop><extra><a b="1"><c><d/></c></a></extra></shop></config>'
    )
    assert read_config(shop_schema(), etree.fromstring(document)) == tree(
        '<extra><a xmlns="urn:shop" b="1"><c><d/></c></a></extra>'
    )
    assert (
        b'<extra xmlns="urn:shop"><a b="1"><c><d></d></c></a></extra>'
        in content(read_config(shop_schema(), etree.fromstring(document))).encode()
    )


def test_prefixes_that_texts_inside_anydata_use_stay_declared() -> None:
    node = the_shop("<extra><a>p:blue</a></extra>")
    assert node["extra"] == AnyValue(b'<extra xmlns="urn:shop" xmlns:p="urn:paint"><a>p:blue</a></extra>')


def test_equal_anydata_is_equal_whatever_its_own_prefix() -> None:
    assert the_shop("<extra><p:a/></extra>")["extra"] == the_shop("<s:extra><p:a/></s:extra>")["extra"]


def test_a_secret_is_sealed_after_its_type_accepted_it() -> None:
    node = tree("<pin>1234</pin>", Vault()).node("shop:shop")
    assert node is not None
    assert node["pin"] == "sealed(1234)"


def test_a_sealed_secret_is_kept_as_it_is() -> None:
    node = tree("<pin>sealed(1234567890)</pin>", Vault()).node("shop:shop")
    assert node is not None
    assert node["pin"] == "sealed(1234567890)"


def test_a_bad_secret_is_refused_without_its_value() -> None:
    with pytest.raises(RpcErrors) as caught:
        tree("<pin>xyz</pin>", Vault())
    assert only(caught.value).tag == "invalid-value"
    assert "xyz" not in str(caught.value)


@pytest.mark.parametrize(
    ("inner", "tag", "path", "info"),
    [
        ("<size>x</size>", "invalid-value", f"{SHOP}/s:size", {"bad-element": "size"}),
        ("<colour>s:green</colour>", "invalid-value", f"{SHOP}/s:colour", {"bad-element": "colour"}),
        ("<colour>q:red</colour>", "invalid-value", f"{SHOP}/s:colour", {"bad-element": "colour"}),
        ("<name><b/></name>", "unknown-element", f"{SHOP}/s:name", {"bad-element": "b"}),
        ("<nam/>", "unknown-element", SHOP, {"bad-element": "nam"}),
        ("<gloss/>", "unknown-element", SHOP, {"bad-element": "gloss"}),
        ('<x xmlns="urn:x"/>', "unknown-namespace", SHOP, {"bad-element": "x", "bad-namespace": "urn:x"}),
        ('<x xmlns=""/>', "unknown-namespace", SHOP, {"bad-element": "x", "bad-namespace": ""}),
        ("<name>a</name><name>a</name>", "bad-element", f"{SHOP}/s:name", {"bad-element": "name"}),
        ("<sign/><sign/>", "bad-element", f"{SHOP}/s:sign", {"bad-element": "sign"}),
        ("<extra/><extra/>", "bad-element", f"{SHOP}/s:extra", {"bad-element": "extra"}),
        ("<tag>a</tag><tag>a</tag>", "bad-element", f"{SHOP}/s:tag[.='a']", {"bad-element": "tag"}),
        ("<item><id>1</id></item><item><id>01</id></item>", "bad-element", f"{SHOP}/s:item[s:id='1']", {}),
        ("<item><label>x</label></item>", "missing-element", f"{SHOP}/s:item", {"bad-element": "id"}),
        ("<item><id>-1</id></item>", "invalid-value", f"{SHOP}/s:item[s:id='-1']/s:id", {"bad-element": "id"}),
        ("<item><id>1</id><sold>3</sold></item>", "unknown-element", f"{SHOP}/s:item[s:id='1']/s:sold", {}),
        ("<name nc:operation='merge'>x</name>", "unknown-attribute", f"{SHOP}/s:name", {"bad-attribute": "operation"}),
        ("<name x='1'>x</name>", "unknown-attribute", f"{SHOP}/s:name", {"bad-attribute": "x", "bad-element": "name"}),
        ("text", "bad-element", SHOP, {"bad-element": "shop"}),
        ("<name>x</name>text", "bad-element", SHOP, {"bad-element": "shop"}),
        ("<coins>true</coins><brand>v</brand>", "bad-element", f"{SHOP}/s:brand", {"bad-element": "brand"}),
        ("<offline/><online>x</online>", "bad-element", f"{SHOP}/s:online", {"bad-element": "online"}),
    ],
)
def test_bad_content_is_refused(inner: str, tag: str, path: str, info: dict[str, str]) -> None:
    error = only(refused(inner))
    assert (error.tag, str(error.path)) == (tag, path)
    assert dict(error.info).items() >= info.items()


def test_anydata_with_a_relative_namespace_is_refused() -> None:
    """It has no canonical form. Messages with one do not get this far; a file of the operator does."""
    error = only(refused('<extra><a xmlns="relative"/></extra>'))
    assert (error.tag, error.message) == (
        "invalid-value",
        "a namespace here has a relative name, which means nothing outside of this message",
    )


def test_a_restriction_of_the_module_speaks_in_its_own_words() -> None:
    error = only(refused("<size>101</size>"))
    assert (error.message, error.app_tag) == ("no shop is that big", "too-big-shop")


def test_a_path_declares_the_prefixes_it_uses() -> None:
    error = only(refused("<p:finish><p:coats>x</p:coats></p:finish>"))
    assert error.path is not None
    assert (error.path.text, dict(error.path.namespaces)) == (
        "/s:shop/p:finish/p:coats",
        {"s": "urn:shop", "p": "urn:paint"},
    )


def test_every_missing_key_is_named() -> None:
    errors = refused("<item><id>1</id><part/></item>").errors
    assert [dict(error.info)["bad-element"] for error in errors] == ["maker", "serial"]


def test_all_faults_are_reported_in_one_go() -> None:
    caught = refused("<size>0</size><nope/><item><id>1</id><price>x</price></item>")
    assert faults_of(caught) == [
        ("invalid-value", f"{SHOP}/s:size"),
        ("unknown-element", SHOP),
        ("invalid-value", f"{SHOP}/s:item[s:id='1']/s:price"),
    ]


def test_the_number_of_faults_is_bounded() -> None:
    assert len(refused("<nope/>" * 1000).errors) == 100


def test_attributes_inside_anydata_are_its_own_business() -> None:
    assert the_shop('<extra x="1"><a y="2"/></extra>')["extra"] == AnyValue(
        b'<extra xmlns="urn:shop" x="1"><a y="2"></a></extra>'
    )


def test_the_input_of_an_rpc_is_read_with_values_in_the_order_given() -> None:
    element = etree.fromstring('<sell xmlns="urn:shop"><to>b</to><to>a</to><id>5</id></sell>')
    inner = shop_schema().operations["{urn:shop}sell"].input
    node = read_inner(shop_schema(), inner, element)
    assert node["id"] == "5"
    assert sorted(node.values("to")) == ["a", "b"]


def test_state_is_read_where_state_is_expected() -> None:
    status = shop_schema().find("/shop:status")
    assert isinstance(status, InnerNode)
    element = etree.fromstring(
        '<status xmlns="urn:shop"><event><text>b</text></event><event><text>a</text></event>'
        "<seen>x</seen><seen>x</seen></status>"
    )
    node = read_inner(shop_schema(), status, element)
    events = node["event"]
    assert isinstance(events, KeylessEntries)
    assert [entry["text"] for entry in events.nodes()] == ["b", "a"]
    assert node["seen"] == ("x", "x")


def test_state_at_the_top_of_a_configuration_is_refused() -> None:
    with pytest.raises(RpcErrors) as caught:
        read_config(shop_schema(), config('<status xmlns="urn:shop"/>'))
    assert faults_of(caught.value) == [("unknown-element", "/s:status")]


def test_the_element_read_is_not_changed() -> None:
    element = shop("<extra x='1'><a/></extra><name>x</name>")
    before = etree.tostring(element)
    read_config(shop_schema(), element)
    assert etree.tostring(element) == before


def test_what_is_read_is_written_again() -> None:
    inner = "<name>x</name><tag>a</tag><item><id>1</id><label>l</label></item><sign></sign>"
    assert content(tree(inner)) == inner
