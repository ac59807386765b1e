"""Trees to XML."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from cryptomap.data.tree import Node, SortedEntries
from cryptomap.data.view import fill
from cryptomap.data.xml import WriteOptions, read_config, write
from cryptomap.data.xml.memory import MAX_VARIANTS, XmlMemory, memory
from cryptomap.data.xml.writer import Printer
from cryptomap.schema.nodes import DataNode, InnerNode
from support.shop import config, content, edited, shop_schema, tree, xml


def item(number: int, inner: str = "") -> str:
    return f"<item><id>{number}</id>{inner}</item>"


@pytest.mark.parametrize(
    ("inner", "text"),
    [
        ("<name>a</name>", "<name>a</name>"),
        ("<name>&lt;a&gt; &amp; \"b\" ]]&gt;</name>", "<name>&lt;a&gt; &amp; &quot;b&quot; ]]&gt;</name>"),
        ("<name>a&#13;b</name>", "<name>a&#13;b</name>"),
        ("<name>ö</name>", "<name>ö</name>"),
        ("<lots/>", "<lots></lots>"),
        ("<tag>b</tag><tag>&amp;</tag>", "<tag>&amp;</tag><tag>b</tag>"),
        ("<colour>red</colour>", '<colour xmlns:s="urn:shop">s:red</colour>'),
        ("<colour>p:blue</colour>", '<colour xmlns:p="urn:paint">p:blue</colour>'),
        (
            "<best>/s:shop/p:gloss</best>",
            '<best xmlns:s="urn:shop" xmlns:p="urn:paint">/s:shop/p:gloss</best>',
        ),
        ("<p:gloss>true</p:gloss>", '<gloss xmlns="urn:paint">true</gloss>'),
        ("<p:finish><p:coats>1</p:coats></p:finish>", '<finish xmlns="urn:paint"><coats>1</coats></finish>'),
        ("<sign/>", "<sign></sign>"),
        ("<item><label>l</label><id>1</id></item>", "<item><id>1</id><label>l</label></item>"),
        (
            item(1, "<part><note>n</note><serial>2</serial><maker>m</maker></part>"),
            item(1, "<part><maker>m</maker><serial>2</serial><note>n</note></part>"),
        ),
        ("<extra><a>x</a></extra>", '<extra xmlns="urn:shop"><a>x</a></extra>'),
    ],
)  # fmt: skip
def test_the_content_of_a_tree(inner: str, text: str) -> None:
    assert content(tree(inner)) == text


def test_an_empty_tree_is_nothing() -> None:
    assert xml(Node.empty(shop_schema().root)) == ""


def test_the_children_of_an_inner_node_name_their_namespace_themselves() -> None:
    node = tree("<name>a</name><p:gloss>true</p:gloss>" + item(1)).node("shop:shop")
    assert node is not None
    assert b"".join(write(shop_schema(), node)) == (
        b'<name xmlns="urn:shop">a</name><item xmlns="urn:shop"><id>1</id></item><gloss xmlns="urn:paint">true</gloss>'
    )


texts = st.text(st.characters(codec="utf-8", exclude_characters="\ufffe\uffff", exclude_categories=["Cc", "Cs", "Cn"]))


@given(texts | st.sampled_from(["\t\n\r", "]]>", "&amp;"]), st.sets(st.integers(0, 5000), max_size=40))
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_read_back(text: str, numbers: set[int]) -> None:
    root = tree("<name/>" + "".join(item(number) for number in numbers))
    shop = root.node("shop:shop")
    assert shop is not None
    root = root.with_slot(root.schema.child("shop", "shop").slot, shop.with_slot(shop.schema.child("name").slot, text))
    assert read_config(shop_schema(), config(xml(root))) == root


# ===== slices and memory =====


def long_list(size: int) -> Node:
    return tree("".join(item(number, f"<label>item number {number}</label>") for number in range(size)))


def test_a_long_list_comes_in_slices() -> None:
    slices = list(write(shop_schema(), long_list(20_000)))
    assert len(slices) > 10
    assert all(len(piece) < 1024 * 1024 for piece in slices)
    assert all(len(piece) >= 64 * 1024 for piece in slices[:-1])
    assert len(etree.fromstring(b"".join(slices))) == 20_000


def test_lists_inside_lists_are_streamed_too() -> None:
    parts = "".join(f"<part><maker>m{n}</maker><serial>1</serial></part>" for n in range(3000))
    root = tree("".join(item(number, parts) for number in range(3)))
    slices = list(write(shop_schema(), root))
    assert len(slices) > 3
    assert read_config(shop_schema(), config(b"".join(slices).decode())) == root


def test_entries_written_once_are_not_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    root = long_list(2000)
    first = xml(root)
    monkeypatch.setattr(Printer, "_entries", None)
    assert xml(root) == first


def test_after_an_edit_only_the_chunk_with_the_change_is_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    before = long_list(2000)
    xml(before)
    written: list[int] = []
    plain = Printer._entries

    def counted(self: Printer, item: object, nodes: tuple[Node, ...], texts: list[str]) -> None:
        written.append(len(nodes))
        plain(self, item, nodes, texts)  # type: ignore[arg-type]

    monkeypatch.setattr(Printer, "_entries", counted)
    after = edited(before, item(700, "<label>changed</label>"))
    assert "<label>changed</label>" in xml(after)
    assert len(written) == 1


@pytest.mark.parametrize(
    "options",
    [
        WriteOptions(with_defaults="trim"),
        WriteOptions(hide=lambda node: node.name == "label"),
    ],
)
def test_what_is_remembered_is_not_used_where_it_would_be_wrong(options: WriteOptions) -> None:
    root = tree("".join(item(number, "<label>x</label><price>1.0</price>") for number in range(100)))
    plain = xml(root)
    assert len(xml(root, options)) < len(plain)
    assert xml(root) == plain


def test_the_memory_for_written_entries_is_bounded() -> None:
    root = long_list(1000)
    entries = root.node("shop:shop").entries("item")  # type: ignore[union-attr]
    assert isinstance(entries, SortedEntries)
    first, second, third = entries.chunks[:3]
    small = XmlMemory(limit=10)
    small.put(first, b"aaaa")
    small.put(second, b"bbbb")
    assert small.get(first) == b"aaaa"
    small.put(third, b"cccc")
    assert (small.size, small.get(first), small.get(second), small.get(third)) == (8, b"aaaa", None, b"cccc")
    small.put(second, b"12345678901")
    assert second.xml is None
    small.resize(0)
    assert (small.size, first.xml, third.xml) == (0, None, None)


def test_readers_who_see_different_things_have_memories_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    root = long_list(100)
    options = WriteOptions(hide=is_label)
    first, hidden = xml(root), xml(root, options)
    assert "<label>" in first
    assert "<label>" not in hidden
    monkeypatch.setattr(Printer, "_entries", None)
    assert (xml(root), xml(root, options)) == (first, hidden)


def is_label(node: DataNode) -> bool:
    return node.name == "label"


def test_only_some_variants_of_a_chunk_are_kept() -> None:
    entries = long_list(20).node("shop:shop").entries("item")  # type: ignore[union-attr]
    assert isinstance(entries, SortedEntries)
    chunk = entries.chunks[0]
    small = XmlMemory(limit=100)
    for variant in range(MAX_VARIANTS + 1):
        small.put(chunk, b"xx", variant)
    assert (small.get(chunk, 0), small.get(chunk, MAX_VARIANTS), small.size) == (None, b"xx", 2)
    small.put(chunk, b"yyy", 0)
    assert small.size == 5


def test_the_memory_of_a_list_that_is_gone_is_given_back() -> None:
    before = memory.size
    root = long_list(1000)
    xml(root)
    assert memory.size > before
    del root
    assert memory.size == before


# ===== options =====


def is_pin(node: DataNode) -> bool:
    return node.name in {"pin", "sign", "id"}


def test_hidden_nodes_are_left_out_and_keys_are_not() -> None:
    root = tree("<name>x</name><pin>1234</pin><sign><text>t</text></sign>" + item(1))
    assert content(root) != content_with(root, WriteOptions(hide=is_pin))
    assert content_with(root, WriteOptions(hide=is_pin)) == "<name>x</name>" + item(1)


def content_with(root: Node, options: WriteOptions) -> str:
    return xml(root, options).removeprefix('<shop xmlns="urn:shop">').removesuffix("</shop>")


def test_trim_leaves_out_what_equals_its_default() -> None:
    root = tree("<name>x</name><open>true</open>" + item(1, "<price>1.0</price>") + item(2, "<price>2</price>"))
    trimmed = content_with(root, WriteOptions(with_defaults="trim"))
    assert trimmed == "<name>x</name>" + item(1) + item(2, "<price>2.0</price>")


def test_defaults_in_use_are_reported_and_tagged() -> None:
    root = fill(shop_schema(), tree("<open>true</open><brand>v</brand>" + item(1)))
    assert content_with(root, WriteOptions(with_defaults="report-all")) == (
        "<open>true</open><lucky>7</lucky><lucky>13</lucky>"
        "<item><id>1</id><price>1.0</price><stock><count>0</count></stock></item>"
        '<brand>v</brand><gloss xmlns="urn:paint">false</gloss>'
    )
    tagged = content_with(root, WriteOptions(with_defaults="report-all-tagged"))
    assert "<open>true</open>" in tagged
    assert '<lucky xmlns:wd="urn:ietf:params:xml:ns:netconf:default:1.0" wd:default="true">7</lucky>' in tagged
    assert 'wd:default="true">0</count>' in tagged


def test_tagged_defaults_sent_back_are_no_change() -> None:
    root = tree("<open>false</open>" + item(1))
    tagged = content_with(fill(shop_schema(), root), WriteOptions(with_defaults="report-all-tagged"))
    element = etree.fromstring(f'<shop xmlns="urn:shop">{tagged}</shop>')
    assert edited(root, "".join(etree.tostring(child).decode() for child in element)) is root


def test_an_operation_output_is_written() -> None:
    inner = shop_schema().operations["{urn:shop}sell"].input
    assert isinstance(inner, InnerNode)
    node = Node(inner, ("5", ("a", "b")))
    assert b"".join(write(shop_schema(), node)) == (
        b'<id xmlns="urn:shop">5</id><to xmlns="urn:shop">a</to><to xmlns="urn:shop">b</to>'
    )
