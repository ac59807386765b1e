"""Instance paths as text and back."""

from __future__ import annotations

import pytest

from cryptomap.data.path import find, literal, parse_instance_identifier, text_of, to_xpath
from cryptomap.data.tree import Node, SortedEntries
from cryptomap.schema.types import TypeFault
from support.shop import shop_schema, tree

ROOT = tree(
    "<name>x</name><tag>a</tag><colour>red</colour><p:finish><p:coats>2</p:coats></p:finish>"
    "<item><id>7</id><part><maker>m</maker><serial>1</serial><note>n</note></part></item>"
)

PATHS = [
    ("/shop:shop", "/s:shop"),
    ("/shop:shop/name", "/s:shop/s:name"),
    ("/shop:shop/paint:finish/coats", "/s:shop/p:finish/p:coats"),
    ("/shop:shop/item[id='7']", "/s:shop/s:item[s:id='7']"),
    (
        "/shop:shop/item[id='7']/part[maker='m'][serial='1']/note",
        "/s:shop/s:item[s:id='7']/s:part[s:maker='m'][s:serial='1']/s:note",
    ),
    ("/shop:shop/tag[.='a']", "/s:shop/s:tag[.='a']"),
    ("/shop:shop/item", "/s:shop/s:item"),
    ("/shop:status/event[3]/text", "/s:status/s:event[3]/s:text"),
]


@pytest.mark.parametrize(("text", "xpath"), PATHS)
def test_a_path_is_read_and_written(text: str, xpath: str) -> None:
    path = parse_instance_identifier(shop_schema(), text)
    assert text_of(path) == text
    assert to_xpath(shop_schema(), path).text == xpath


def test_a_path_tells_the_namespaces_of_its_prefixes() -> None:
    path = parse_instance_identifier(shop_schema(), "/shop:shop/paint:gloss")
    assert to_xpath(shop_schema(), path).namespaces == {"s": "urn:shop", "p": "urn:paint"}


def test_the_empty_path_is_the_root() -> None:
    assert (text_of(()), to_xpath(shop_schema(), ()).text) == ("/", "/")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("/shop:shop/name", "x"),
        ("/shop:shop/shop:item[shop:id='007']/part[serial='1'][maker=\"m\"]/note", "n"),
        ("/shop:shop/tag[.='a']", "a"),
        ("/shop:shop/tag[.='b']", None),
        ("/shop:shop/item[id='8']", None),
        ("/shop:shop/item[id='8']/label", None),
        ("/shop:shop/sign/text", None),
        ("/shop:status/event[1]", None),
    ],
)
def test_find_follows_a_path(text: str, value: str | None) -> None:
    assert find(ROOT, parse_instance_identifier(shop_schema(), text)) == value


def test_find_gives_nodes_and_entries() -> None:
    entry = find(ROOT, parse_instance_identifier(shop_schema(), "/shop:shop/item[id='7']"))
    entries = find(ROOT, parse_instance_identifier(shop_schema(), "/shop:shop/item"))
    assert isinstance(entry, Node)
    assert isinstance(entries, SortedEntries)
    assert entries.get(7) is entry
    assert find(ROOT, ()) is ROOT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "shop:shop",
        "/shop",
        "/shop:nope",
        "/shop:shop/",
        "/shop:shop/name/x",
        "/shop:shop/item[label='x']",
        "/shop:shop/item[id='x']",
        "/shop:shop/item[id='1']/part[maker='m']",
        "/shop:shop/item[1]",
        "/shop:shop/name[.='x']",
        "/shop:shop/item[id='1'",
    ],
)
def test_what_is_no_path_of_the_schema_is_refused(text: str) -> None:
    with pytest.raises(TypeFault):
        parse_instance_identifier(shop_schema(), text)


@pytest.mark.parametrize(
    ("text", "expression"),
    [("a", "'a'"), ("it's", '"it\'s"'), ("'\"", "concat('', \"'\", '\"')"), ("", "''")],
)
def test_any_text_has_a_literal(text: str, expression: str) -> None:
    assert literal(text) == expression


def test_a_key_with_both_quotes_is_read_back() -> None:
    text = "/shop:shop/shelf[name=" + literal("a'b\"c") + "]"
    assert parse_instance_identifier(shop_schema(), text)[-1][1] == "a'b\"c"
