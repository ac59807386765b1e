"""Entries that look alike are read at once: the result is that of walking them, whatever they hold."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from cryptomap.data.tree import Node
from cryptomap.data.xml import read, read_config, shapes
from cryptomap.errors import RpcErrors
from cryptomap.schema.modules import load_sources
from cryptomap.schema.nodes import Leaf, Schema
from cryptomap.schema.sources import Source, find_sources
from support.shop import Vault

STREET = """
module street {
  yang-version 1.1; namespace "urn:street"; prefix s;
  import cryptomap-types { prefix t; }
  identity colour; identity red { base colour; }
  list house {
    key name;
    leaf name { type string { length "1..9"; } }
    leaf floors { type uint8 { range "1..99"; } }
    leaf pin { type string { length "4..8"; } t:secret; }
    leaf colour { type identityref { base colour; } }
    leaf empty { type empty; }
    leaf note { type string; }
    leaf-list tag { type string; }
    leaf-list bell { type string; ordered-by user; }
    container garden { container pond { leaf depth { type uint8; } } leaf trees { type uint8; } }
    container garage { presence "there is one"; leaf cars { type uint8; } }
    container cellar { presence "there is one"; }
    choice heating { leaf gas { type uint8; } case oil { leaf oil { type uint8; } leaf tank { type uint8; } } }
    list room { key "floor number"; leaf floor { type int8; } leaf number { type uint8; } leaf use { type string; } }
    list door { key id; ordered-by user; leaf id { type string; } }
    anydata extra;
    leaf visitors { config false; type uint32; }
  }
}
"""

PLAIN = "<name>{name}</name><floors>{floors}</floors><note>n</note>"

UNUSUAL = [
    "<name>x</name><note>A &amp; B</note>",
    "<name>x</name><note><![CDATA[<b>]]></note>",
    "<name>x</name><note>a<!-- > -->b</note>",
    "<name>x</name><!-- a <note>b</note> --><note>c</note>",
    "<name>x</name><?php <note>?><note>c</note>",
    "<name>x</name><floors> 7 </floors><note>  </note>",
    "<name>x</name><floors>007</floors><note></note>",
    "<name>x</name><floors>0</floors><note>n</note>",
    "<name>x</name><floors/><note>n</note>",
    "<name>too-long-a-name</name><note>n</note>",
    "<name></name>",
    "<floors>1</floors><note>n</note>",
    "<name>x</name>between<floors>1</floors><note>n</note>",
    "<name>x</name><name>y</name>",
    "<name>h3</name><floors>9</floors><note>n</note>",
    "<name>x</name><note>n</note><unknown>1</unknown>",
    "<name>x</name><visitors>1</visitors>",
    "<name>x</name><o:note xmlns:o='urn:other'>n</o:note>",
    "<s:name xmlns:s='urn:street'>x</s:name><s:note xmlns:s='urn:street'>n</s:note>",
    "<name>x</name><colour>red</colour>",
    "<name>x</name><colour xmlns:q='urn:street'>q:red</colour>",
    "<name>x</name><colour xmlns:q='urn:other'>q:red</colour>",
    "<name>x</name><colour>blue</colour>",
    "<name>x</name><pin>12345</pin>",
    "<name>x</name><pin>1</pin>",
    "<name>x</name><pin/>",
    "<name>x</name><empty/>",
    "<name>x</name><empty> </empty>",
    "<name>x</name><tag>b</tag><tag>a</tag><bell>2</bell><bell>1</bell>",
    "<name>x</name><tag>b</tag><tag>b</tag>",
    "<name>x</name><garden><pond/></garden><garage/>",
    "<name>x</name><garden> </garden>",
    "<name>x</name><cellar/>",
    "<name>x</name><cellar> </cellar>",
    "<name>x</name><garden><pond><depth>1</depth></pond><trees>2</trees></garden><garage><cars>2</cars></garage>",
    "<name>x</name><garden>flowers<trees>2</trees></garden>",
    "<name>x</name><garden><trees>1</trees></garden><garden><trees>1</trees></garden>",
    "<name>x</name><gas>1</gas>",
    "<name>x</name><oil>1</oil><tank>2</tank>",
    "<name>x</name><gas>1</gas><tank>2</tank>",
    "<name>x</name><room><floor>-1</floor><number>1</number></room><room><floor>-2</floor><number>1</number></room>",
    "<name>x</name><room><floor>1</floor><number>1</number></room><room><floor>1</floor><number>01</number></room>",
    "<name>x</name><room><floor>1</floor></room>",
    "<name>x</name><door><id>b</id></door><door><id>a</id></door>",
    "<name>x</name><door><id>b</id></door><door><id>b</id></door>",
    "<name>x</name><extra><any xmlns='urn:any'>thing</any></extra>",
    "<name>x</name><note>a<b/>c</note>",
    f"<name>x</name><note>{'long' * 3000}</note>",
]


@lru_cache(maxsize=1)
def schema() -> Schema:
    ours, installed = find_sources()
    return load_sources([], [Source("street", None, "yang", Path("street.yang"), STREET)], [*ours, *installed])


@pytest.fixture(autouse=True)
def _shapes_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "MANY", 1)
    monkeypatch.setattr(shapes, "SHAPES_MAX", 1000)


def outcome(houses: list[str], monkeypatch: pytest.MonkeyPatch, walked_first: int) -> Node | list[str]:
    """What reading a street of these houses gives: the tree, or its faults."""
    monkeypatch.setattr(shapes, "WALKED_FIRST", walked_first)
    inner = "".join([f"<house xmlns='urn:street'>{house}</house>" for house in houses])
    element = etree.fromstring(f"<config xmlns='urn:ietf:params:xml:ns:netconf:base:1.0'>{inner}</config>")
    try:
        return read_config(schema(), element, Vault())
    except RpcErrors as faults:
        return sorted(f"{fault.tag} {fault.path} {fault.message} {fault.info}" for fault in faults.errors)


def plain() -> Iterator[str]:
    return (PLAIN.format(name=f"h{number}", floors=number) for number in range(1, 6))


@pytest.mark.parametrize("house", UNUSUAL)
def test_an_unusual_entry_is_read_as_if_it_was_walked(house: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The second is read by the shape the first has made, if it can have one.
    houses = [*plain(), house, house.replace("<name>x<", "<name>y<")]
    assert outcome(houses, monkeypatch, 0) == outcome(houses, monkeypatch, 1 << 40)


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.text(st.sampled_from("0129 -abcé\t\n&<>]"), max_size=6), min_size=2, max_size=6))
def test_any_texts_in_entries_that_look_alike_are_read_as_if_they_were_walked(texts: list[str]) -> None:
    houses = []
    for number, text in enumerate(texts):
        house = etree.Element("house")
        for name, value in (("name", f"n{number}"), ("floors", text), ("note", text), ("tag", text), ("pin", text)):
            etree.SubElement(house, name).text = value
        houses.append("".join([etree.tostring(child, encoding="unicode") for child in house]))
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert outcome(houses, monkeypatch, 0) == outcome(houses, monkeypatch, 1 << 40)


def test_entries_of_a_shape_met_before_are_not_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    make = shapes._Shape

    def counting(*given: object, **more: object) -> object:
        made.append(given)
        return make(*given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(shapes, "_Shape", counting)
    house = "<name>{}</name><floors>1</floors><tag>only-here</tag><note>n</note><gas>1</gas>"
    street = outcome([house.format(f"h{number}") for number in range(50)], monkeypatch, 0)
    assert isinstance(street, Node)
    assert len(street.entries("street:house")) == 50
    assert len(made) == 1


def test_an_entry_with_a_fault_does_not_make_the_others_be_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    walked: list[etree._Element] = []
    walk = read.Reader.text_value

    def counting(self: read.Reader, schema: Leaf, element: etree._Element) -> str | None:
        walked.append(element)
        return walk(self, schema, element)

    monkeypatch.setattr(read.Reader, "text_value", counting)
    houses = [f"<name>h{number}</name><pin>12345</pin>" for number in range(100)]
    houses[70] = "<name>h70</name><pin>1</pin>"
    faults = outcome(houses, monkeypatch, 0)
    assert isinstance(faults, list)
    assert [fault.split()[1] for fault in faults] == ["/s:house[s:name='h70']/s:pin"]
    assert len(walked) == 1


def test_more_entries_than_are_looked_at_in_one_go_are_read_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "WINDOW", 3)
    houses = [f"<name>h{number % 7}</name><door><id>{number}</id></door>" for number in range(7)]
    assert outcome(houses, monkeypatch, 0) == outcome(houses, monkeypatch, 1 << 40)


def test_what_all_entries_share_is_there_once(monkeypatch: pytest.MonkeyPatch) -> None:
    house = "<name>h{}</name><garden><pond><depth>1</depth></pond><trees>2</trees></garden>"
    street = outcome([house.format(number) for number in range(10)], monkeypatch, 0)
    assert isinstance(street, Node)
    assert len({id(entry.node("garden")) for entry in street.entries("street:house").nodes()}) == 1
