"""What differs between two trees, and the edit that makes one out of the other."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from cryptomap.data.diff import Change, diff, edit_document
from cryptomap.data.edit import edit
from cryptomap.data.path import text_of
from cryptomap.data.tree import Node, UserEntries
from cryptomap.data.xml import read_config
from support.shop import content, edited, shop, shop_schema, tree

EMPTY = Node.empty(shop_schema().root)


def item(number: int, inner: str = "") -> str:
    return f"<item><id>{number}</id>{inner}</item>"


def shelf(name: str, inner: str = "") -> str:
    return f"<shelf><name>{name}</name>{inner}</shelf>"


def shown(changes: list[Change]) -> list[tuple[str, object, object]]:
    """(path below shop, old, new) with nodes and entries as "..."."""

    def short(value: object) -> object:
        return value if isinstance(value, str | tuple | None) else "..."

    return [(text_of(c.path).removeprefix("/shop:shop"), short(c.old), short(c.new)) for c in changes]


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ("<name>x</name>", "<name>x</name>", []),
        ("<name>x</name>", "<name>y</name>", [("/name", "x", "y")]),
        ("<sign/>", "<sign/><open>false</open>", [("/open", None, "false")]),
        ("<sign/><name>x</name>", "<sign/>", [("/name", "x", None)]),
        ("<tag>a</tag>", "<tag>a</tag><tag>b</tag>", [("/tag", ("a",), ("a", "b"))]),
        ("<day>a</day><day>b</day>", "<day>b</day><day>a</day>", [("/day", ("a", "b"), ("b", "a"))]),
        ("<name>x</name>", "<name>x</name><sign><text>t</text></sign>", [("/sign", None, "...")]),
        ("<name>x</name><sign><text>t</text></sign>", "<name>x</name>", [("/sign", "...", None)]),
        ("<sign><text>t</text></sign>", "<sign><text>u</text></sign>", [("/sign/text", "t", "u")]),
        ("<sign/>", "<sign/><extra><a/></extra>", [("/extra", None, "...")]),
        (
            item(1) + item(2, "<label>x</label>") + item(3),
            item(2, "<label>y</label>") + item(3) + item(4),
            [("/item[id='1']", "...", None), ("/item[id='2']/label", "x", "y"), ("/item[id='4']", None, "...")],
        ),
        (shelf("a") + shelf("b"), shelf("a") + shelf("b") + shelf("c"), [("/shelf[name='c']", None, "...")]),
        (shelf("a") + shelf("b"), shelf("b") + shelf("a"), [("/shelf", "...", "...")]),
        (
            shelf("a"),
            shelf("b") + shelf("a", "<width>1</width>"),
            [("/shelf[name='a']/width", None, "1"), ("/shelf[name='b']", None, "..."), ("/shelf", "...", "...")],
        ),
        (shelf("a") + shelf("b") + shelf("c"), shelf("a") + shelf("c"), [("/shelf[name='b']", "...", None)]),
    ],
)
def test_the_changes(before: str, after: str, changes: list[tuple[str, object, object]]) -> None:
    assert shown(diff(tree(before), tree(after))) == changes


def test_everything_created_is_one_change_at_its_top() -> None:
    assert shown(diff(EMPTY, tree(item(1) + item(2)))) == [("", None, "...")]


def test_what_is_the_same_object_is_not_looked_at() -> None:
    before = tree("".join(item(number) for number in range(1000)))
    after = edited(before, item(500, "<label>x</label>"))
    entries = after.node("shop:shop").entries("item")  # type: ignore[union-attr]
    visited = 0

    class Watched(tuple):  # type: ignore[type-arg]
        def __iter__(self):  # type: ignore[no-untyped-def]
            nonlocal visited
            visited += 1
            return super().__iter__()

    for _, entry in entries.items():
        entry.slots = Watched(entry.slots)
    assert len(diff(before, after)) == 1
    assert visited == 1


def test_a_user_ordered_list_that_only_loses_and_gains_at_the_end_has_no_change_of_order() -> None:
    changes = diff(tree(shelf("a") + shelf("b")), tree(shelf("b") + shelf("c")))
    assert [change for change in changes if isinstance(change.new, UserEntries)] == []


# ===== the document =====

LEAFS = """
  <name>n</name> <name>m&lt;&#13;</name> <open>false</open> <size>3</size> <lots/> <p:gloss>true</p:gloss>
  <colour>s:red</colour> <colour>p:blue</colour> <best>/s:shop/s:item[s:id='1']/s:label</best> <sign/>
  <extra><a>p:x</a></extra> <extra><b/>t</extra> <sign><text>a</text></sign> <sign><text>b</text></sign>
  <p:finish><p:coats>4</p:coats></p:finish>
"""
PAYMENTS = """
  <coins>true</coins> <notes>3</notes> <notes>4</notes><coins>false</coins> <brand>v</brand>
  <terminal><id>1</id></terminal> <brand>v</brand><offline/> <brand>v</brand><online>x</online>
"""
leafs = st.sampled_from(LEAFS.split())
payments = st.sampled_from(PAYMENTS.split())
words = st.sampled_from(["a", "b", "c", "d e", "it's", 'say "hi"', "both ' and \"", "<&>", "]]>", ""])


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def values(name: str) -> st.SearchStrategy[str]:
    lists = st.lists(words, unique=True, max_size=5)
    return lists.map(lambda found: "".join(f"<{name}>{escaped(value)}</{name}>" for value in found))


parts = st.lists(st.tuples(words, st.integers(0, 3)), unique=True, max_size=3).map(
    lambda keys: "".join(f"<part><maker>{escaped(m)}</maker><serial>{s}</serial></part>" for m, s in keys)
)
labels = st.sampled_from(["", "<label>x</label>", "<label>y</label>", "<stock><count>1</count></stock>"])
items = st.dictionaries(st.integers(0, 12), st.tuples(labels, parts), max_size=8).map(
    lambda found: "".join(item(number, "".join(inner)) for number, inner in found.items())
)
shelves = st.lists(st.tuples(words, st.sampled_from(["", "<width>1</width>", "<width>2</width>"])), max_size=6).map(
    lambda found: "".join(shelf(escaped(name), inner) for name, inner in dict(found).items())
)


def by_name(elements: list[str]) -> str:
    """At most one element of each name."""
    return "".join({element.split(">")[0].split("/")[0].rstrip(" ") + ">": element for element in elements}.values())


configurations = st.tuples(
    st.lists(leafs, max_size=5).map(by_name), st.just("") | payments, values("tag"), values("day"), items, shelves
).map("".join)


@given(configurations, configurations)
@settings(max_examples=150, deadline=None)
def test_the_document_of_a_diff_applied_to_the_old_tree_gives_the_new_one(before: str, after: str) -> None:
    old, new = tree(before), tree(after)
    document = edit_document(shop_schema(), diff(old, new))
    assert content(edit(shop_schema(), old, etree.fromstring(document))) == content(new)
    assert edit(shop_schema(), old, etree.fromstring(document)) == new


@given(configurations, configurations)
@settings(max_examples=50, deadline=None)
def test_an_edit_with_default_operation_replace_gives_the_configuration_sent(before: str, after: str) -> None:
    assert edited(tree(before), after, default_operation="replace") == tree(after)


@given(configurations)
@settings(max_examples=50, deadline=None)
def test_merging_a_configuration_into_itself_changes_nothing(inner: str) -> None:
    root = tree(inner)
    assert edited(root, inner) is root


@given(configurations, configurations)
@settings(max_examples=50, deadline=None)
def test_merging_into_something_gives_what_merging_one_by_one_into_nothing_gives(before: str, after: str) -> None:
    assert edited(edited(EMPTY, before), after) == edited(tree(before), after)


def test_no_changes_make_an_empty_document() -> None:
    document = etree.fromstring(edit_document(shop_schema(), []))
    assert document.tag == "{urn:ietf:params:xml:ns:netconf:base:1.0}config"
    assert len(document) == 0


def test_a_document_can_be_read_by_people() -> None:
    changes = diff(tree("<name>x</name>" + item(1)), tree(item(1, "<label>l</label>") + item(2)))
    assert edit_document(shop_schema(), changes).decode() == (
        '<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0" xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0">'
        '<shop xmlns="urn:shop"><name nc:operation="remove"></name>'
        "<item><id>1</id><label>l</label></item>"
        '<item nc:operation="create"><id>2</id></item></shop></config>'
    )


def test_what_looks_like_a_prefix_in_anydata_is_none_of_the_documents_own() -> None:
    """Found by fuzzing: the text would be read as a qualified name, with a declaration that it never had."""
    old = tree("<shelf><name>a</name></shelf><shelf><name>b</name></shelf>" + item(1))
    said = "<extra>nc:operation yang:insert nc1:x</extra>"
    new = tree(f"<shelf><name>b</name></shelf><shelf><name>a</name></shelf>{said}")
    document = edit_document(shop_schema(), diff(old, new)).decode()
    assert said.removeprefix("<extra") in document
    assert 'nc2:operation="remove"' in document
    assert 'yang1:insert="first"' in document
    assert edit(shop_schema(), old, etree.fromstring(document)) == new


@pytest.mark.parametrize("odd", ["a\nb", "a\tb", "a&#13;b", "'\"&amp;&lt;", "  "])
def test_what_a_value_is_put_after_may_hold_any_character(odd: str) -> None:
    """Found by fuzzing: the journal could not be replayed."""
    old = tree("<day>x</day><shelf><name>z</name></shelf>")
    days = f"<day>{odd}</day><day>y</day><day>x</day>"
    new = tree(f"{days}<shelf><name>{odd}</name></shelf><shelf><name>b</name></shelf><shelf><name>z</name></shelf>")
    document = edit_document(shop_schema(), diff(old, new))
    assert edit(shop_schema(), old, etree.fromstring(document)) == new


def test_sealed_secrets_go_into_the_document_as_they_are() -> None:
    class Vault:
        def seal(self, path: str, clear: str) -> str:
            return "sealed:" + clear[::-1] * 9

        def is_sealed(self, path: str, text: str) -> bool:
            return text.startswith("sealed:")

    root = read_config(shop_schema(), shop("<pin>1234</pin>"), Vault())
    document = edit_document(shop_schema(), diff(EMPTY, root))
    assert b"1234" not in document
    assert edit(shop_schema(), EMPTY, etree.fromstring(document), seal=Vault()) == root
