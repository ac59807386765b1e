"""Subtree filters (RFC 6241 section 6) and XPath selections: (filter, what it gives)."""

from __future__ import annotations

import pytest
from lxml import etree

from cryptomap.data.filter import MAX_ELEMENTS, MAX_SCANS, subtree, xpath_select
from cryptomap.data.path import text_of
from cryptomap.data.tree import LazyEntries, Node, Path, SortedEntries, Value
from cryptomap.data.view import View, materialize
from cryptomap.errors import InvalidValue, TooBig
from cryptomap.schema.xpath import parse
from support.shop import NAMESPACES, content, shop_schema, tree, xml

INNER = (
    "<name>corner</name><open>false</open><tag>a</tag><tag>b</tag><sign><text>hi</text></sign>"
    "<item><id>1</id><label>one</label><stock><count>5</count></stock>"
    "<part><maker>m</maker><serial>1</serial></part><part><maker>m</maker><serial>2</serial><note>n</note></part></item>"
    "<item><id>2</id><label>two</label></item><item><id>3</id><label>one</label></item>"
    "<shelf><name>z</name></shelf><shelf><name>a</name><width>1</width></shelf><p:gloss>true</p:gloss>"
)
ROOT = tree(INNER)
ITEM1 = (
    "<item><id>1</id><label>one</label><stock><count>5</count></stock>"
    "<part><maker>m</maker><serial>1</serial></part><part><maker>m</maker><serial>2</serial><note>n</note></part></item>"
)
ITEM2, ITEM3 = "<item><id>2</id><label>two</label></item>", "<item><id>3</id><label>one</label></item>"


def filtered(filter_xml: str, view: View | None = None) -> Node | None:
    element = etree.fromstring(f"<filter {NAMESPACES}>{filter_xml}</filter>")
    return subtree(shop_schema(), view or View(ROOT), element)


def shown(node: Node | None) -> str | None:
    return None if node is None else content(node)


SUBTREE = [
    # selection
    ("<name/>", "<name>corner</name>"),
    ("<name> </name>", "<name>corner</name>"),
    ("<name/><open/>", "<name>corner</name><open>false</open>"),
    ("<tag/>", "<tag>a</tag><tag>b</tag>"),
    ("<sign/>", "<sign><text>hi</text></sign>"),
    ("<item/>", ITEM1 + ITEM2 + ITEM3),
    ("<size/>", None),
    ("<nope/>", None),
    ("<finish/>", None),
    # containment; keys come along
    ("<item><label/></item>", "".join(f"<item><id>{n}</id><label>{text}</label></item>"
                                      for n, text in ((1, "one"), (2, "two"), (3, "one")))),
    ("<item><stock><count/></stock></item>", "<item><id>1</id><stock><count>5</count></stock></item>"),
    ("<item><part><note/></part></item>",
     "<item><id>1</id><part><maker>m</maker><serial>2</serial><note>n</note></part></item>"),
    ("<item><stock><nope/></stock></item>", None),
    ("<sign><nope/></sign>", None),
    # content match
    ("<item><id>1</id></item>", ITEM1),
    ("<item><id> 1\n</id></item>", ITEM1),
    ("<item><id>01</id></item>", ITEM1),
    ("<item><id>4</id></item>", None),
    ("<item><id>x</id></item>", None),
    ("<item><label>one</label></item>", ITEM1 + ITEM3),
    ("<item><label>three</label></item>", None),
    ("<item><id>1</id><label>two</label></item>", None),
    ("<item><id>1</id><id>2</id></item>", None),
    ("<item><id>1</id><stock/></item>", "<item><id>1</id><stock><count>5</count></stock></item>"),
    ("<item><label>one</label><stock/></item>",
     "<item><id>1</id><label>one</label><stock><count>5</count></stock></item>"
     "<item><id>3</id><label>one</label></item>"),
    ("<item><id>1</id></item><item><id>3</id></item>", ITEM1 + ITEM3),
    ("<item><id>3</id></item><item><id>1</id></item>", ITEM1 + ITEM3),
    ("<item><id>2</id></item><item><id>2</id><label/></item>", ITEM2),
    ("<item><id>1</id><part><maker>m</maker><serial>2</serial></part></item>",
     "<item><id>1</id><part><maker>m</maker><serial>2</serial><note>n</note></part></item>"),
    ("<shelf><name>a</name></shelf><shelf><name>z</name></shelf>",
     "<shelf><name>z</name></shelf><shelf><name>a</name><width>1</width></shelf>"),
    ("<name>corner</name>", content(ROOT)),
    ("<name>other</name>", None),
    ("<name>corner</name><open/>", "<name>corner</name><open>false</open>"),
    ("<tag>b</tag><open/>", "<open>false</open><tag>b</tag>"),
    ("<tag>c</tag><open/>", None),
    ("<colour>nope:red</colour>", None),
    # attributes: no data has any
    ("<name x='1'/>", None),
    ("<item x='1'><label/></item>", None),
    ("<item><id x='1'>1</id></item>", None),
    # comments do not make a selection
    ("<item><!-- all --></item>", ITEM1 + ITEM2 + ITEM3),
]  # fmt: skip


@pytest.mark.parametrize(("inner", "expected"), SUBTREE)
def test_a_filter_below_shop(inner: str, expected: str | None) -> None:
    assert shown(filtered(f'<shop xmlns="urn:shop">{inner}</shop>')) == expected


@pytest.mark.parametrize(
    ("filter_xml", "expected"),
    [
        ("", None),
        ("<shop/>", None),
        ('<shop xmlns=""/>', content(ROOT)),
        ('<shop xmlns=""><name/><gloss/></shop>', '<name>corner</name><gloss xmlns="urn:paint">true</gloss>'),
        ('<shop xmlns="urn:shop"/>', content(ROOT)),
        ('<shop xmlns="urn:paint"/>', None),
        ("<s:shop><s:name/><p:gloss/></s:shop>", '<name>corner</name><gloss xmlns="urn:paint">true</gloss>'),
        ('<shop xmlns="urn:shop"><gloss/></shop>', None),
        ('<shop xmlns="urn:shop"><name/></shop><s:shop><s:open/></s:shop>', "<name>corner</name><open>false</open>"),
    ],
)
def test_a_filter_at_the_top(filter_xml: str, expected: str | None) -> None:
    assert shown(filtered(filter_xml)) == expected


def test_what_is_selected_as_a_whole_is_shared() -> None:
    selected = filtered('<shop xmlns="urn:shop"><item/><sign/></shop>')
    assert selected is not None
    shop, found = ROOT.node("shop:shop"), selected.node("shop:shop")
    assert shop is not None
    assert found is not None
    assert found["item"] is shop["item"]
    assert found["sign"] is shop["sign"]


def test_an_entry_is_looked_up_by_key_and_others_are_not_visited(monkeypatch: pytest.MonkeyPatch) -> None:
    def scanned(self: SortedEntries) -> None:
        raise AssertionError("the list was scanned")

    monkeypatch.setattr(SortedEntries, "items", scanned)
    found = filtered('<shop xmlns="urn:shop"><item><id>2</id><label/></item></shop>')
    assert found is not None
    monkeypatch.undo()
    assert shown(found) == ITEM2


# ===== state =====

SOLD = "/shop:shop/item/sold"


class Sales:
    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, path: Path) -> Value | None:
        self.asked.append(text_of(path).removeprefix("/shop:shop/item"))
        return f"{path[1][1]}0"

    def view(self) -> View:
        return View(ROOT, {SOLD: self})


@pytest.mark.parametrize(
    ("inner", "expected", "asked"),
    [
        ("<name/>", "<name>corner</name>", []),
        ("<item><id>2</id></item>", "<item><id>2</id><label>two</label><sold>20</sold></item>", ["2"]),
        ("<item><id>2</id><sold/></item>", "<item><id>2</id><sold>20</sold></item>", ["2"]),
        ("<item><id>2</id><label/></item>", ITEM2, []),
        ("<item><sold>30</sold><label/></item>", "<item><id>3</id><label>one</label><sold>30</sold></item>", None),
    ],
)
def test_state_is_asked_only_where_the_filter_leads(inner: str, expected: str, asked: list[str] | None) -> None:
    sales = Sales()
    assert shown(filtered(f'<shop xmlns="urn:shop">{inner}</shop>', sales.view())) == expected
    if asked is not None:
        assert sales.asked == [f"[id='{number}']/sold" for number in asked]


def test_filtered_state_of_a_long_list_is_asked_while_it_is_written() -> None:
    sales = Sales()
    root = tree("".join(f"<item><id>{number}</id></item>" for number in range(1000)))
    found = filtered('<shop xmlns="urn:shop"><item><sold/></item></shop>', View(root, {SOLD: sales}))
    assert found is not None
    assert len(sales.asked) == 1
    assert isinstance(found.node("shop:shop")["item"], LazyEntries)  # type: ignore[index]
    assert xml(found).count("<sold>") == 1000
    assert materialize(found).node("shop:shop").entries("item").get(7).text("sold") == "70"  # type: ignore[union-attr]


def test_state_below_what_is_not_configured_is_found() -> None:
    view = View(Node.empty(shop_schema().root), {"/shop:status/uptime": lambda path: "9"})
    found = filtered("<s:status><s:uptime/></s:status>", view)
    assert found is not None
    assert xml(found) == '<status xmlns="urn:shop"><uptime>9</uptime></status>'
    assert filtered("<s:status><s:seen/></s:status>", view) is None


def test_defaults_that_a_view_shows_can_be_matched_and_selected() -> None:
    view = View(ROOT, schema=shop_schema(), defaults=True)
    selected = filtered('<shop xmlns="urn:shop"><item><price>1.0</price><label>two</label></item></shop>', view)
    assert (
        shown(selected) == "<item><id>2</id><label>two</label><price>1.0</price><stock><count>0</count></stock></item>"
    )
    assert filtered('<shop xmlns="urn:shop"><item><price>1.0</price></item></shop>') is None


@pytest.mark.parametrize("inner", ["<item><label>two</label></item>", "<item><label/></item>"])
def test_a_filter_does_not_find_what_is_hidden(inner: str) -> None:
    view = View(ROOT, hide=lambda node: node.name == "label")
    assert filtered(f'<shop xmlns="urn:shop">{inner}</shop>', view) is None


def test_a_filter_that_selects_all_of_an_entry_leaves_out_what_is_hidden() -> None:
    view = View(ROOT, hide=lambda node: node.name == "label")
    assert shown(filtered('<shop xmlns="urn:shop"><item><id>2</id></item></shop>', view)) == "<item><id>2</id></item>"


# ===== XPath =====


def selected(text: str, view: View | None = None) -> str | None:
    expr = parse(text, {"s": "shop", "p": "paint"}, None)
    return shown(xpath_select(shop_schema(), view or View(ROOT), expr))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("/", content(ROOT)),
        ("/s:shop", content(ROOT)),
        ("/shop/name", "<name>corner</name>"),
        ("/s:shop/s:name/text()", "<name>corner</name>"),
        ("/s:shop/s:item[s:id='2']", ITEM2),
        ("/s:shop/s:item[s:label='one']/s:id", "<item><id>1</id></item><item><id>3</id></item>"),
        ("//s:note", "<item><id>1</id><part><maker>m</maker><serial>2</serial><note>n</note></part></item>"),
        ("/s:shop/s:tag[.='b'] | /s:shop/s:name", "<name>corner</name><tag>b</tag>"),
        ("/s:shop/s:shelf[2]", "<shelf><name>a</name><width>1</width></shelf>"),
        ("/s:shop/s:sign/s:text", "<sign><text>hi</text></sign>"),
        ("/s:shop/s:sign | /s:shop/s:sign/s:text", "<sign><text>hi</text></sign>"),
        ("/s:shop/p:gloss", '<gloss xmlns="urn:paint">true</gloss>'),
        ("/s:shop/s:size", None),
        ("/s:shop/s:item[s:price='1.0']/s:price", None),
    ],
)
def test_an_xpath_filter(expression: str, expected: str | None) -> None:
    assert selected(expression) == expected


def test_xpath_asks_for_the_state_it_needs() -> None:
    sales = Sales()
    assert selected("/s:shop/s:item[s:id=2]/s:sold", sales.view()) == "<item><id>2</id><sold>20</sold></item>"


@pytest.mark.parametrize("expression", ["//s:label", "/s:shop/s:item[s:label='two']", "//*[starts-with(s:label, 't')]"])
def test_xpath_does_not_find_what_is_hidden(expression: str) -> None:
    assert selected(expression, View(ROOT, hide=lambda node: node.name == "label")) is None


@pytest.mark.parametrize("expression", ["count(//s:item)", "'x'", "true()"])
def test_an_expression_that_gives_no_nodes_is_no_filter(expression: str) -> None:
    with pytest.raises(InvalidValue):
        selected(expression)


def test_an_expression_that_looks_at_too_much_is_stopped() -> None:
    expr = parse("//*[//*[//*]]", {}, None)
    with pytest.raises(InvalidValue, match="more than 1000"):
        xpath_select(shop_schema(), View(ROOT), expr, budget=1000)


def many(number: int, one: str) -> str:
    return "".join(one.format(n) for n in range(number))


def test_a_filter_of_the_largest_size_and_one_beyond() -> None:
    keyed = "<item><id>{}</id></item>"
    whole = MAX_ELEMENTS // 2
    found = filtered(f'<shop xmlns="urn:shop">{many(whole - 1, keyed)}<name/></shop>')
    assert shown(found) == "<name>corner</name>" + ITEM1 + ITEM2 + ITEM3
    with pytest.raises(TooBig, match="more than 100000 elements"):
        filtered(f'<shop xmlns="urn:shop">{many(whole, keyed)}</shop>')


def test_lists_without_keys_may_be_asked_for_a_hundred_times() -> None:
    by_label = "<item><label>l{}</label></item>"
    assert filtered(f'<shop xmlns="urn:shop">{many(MAX_SCANS, by_label)}</shop>') is None
    with pytest.raises(TooBig, match="without all their keys more than 100 times"):
        filtered(f'<shop xmlns="urn:shop">{many(MAX_SCANS + 1, by_label)}</shop>')
    keyed = "<item><id>{}</id><label/></item>"
    assert filtered(f'<shop xmlns="urn:shop">{many(MAX_SCANS * 2, keyed)}</shop>') is not None
