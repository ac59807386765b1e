"""Two sets of changes brought together: named cases, and that replaying a change elsewhere says the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from cryptomap.data.diff import diff, edit_document
from cryptomap.data.edit import edit
from cryptomap.data.merge import Conflict, merge
from cryptomap.data.path import text_of
from cryptomap.data.tree import Node, Path
from cryptomap.errors import RpcError, RpcErrors
from cryptomap.schema.nodes import Container
from support.random_edits import EditMaker
from support.shop import content, edited, shop_schema, tree


def places(conflicts: list[Conflict]) -> list[str]:
    return [text_of(conflict.path).removeprefix("/shop:shop/") for conflict in conflicts]


def both(base: Node, ours: str, theirs: str) -> tuple[str, str, list[str]]:
    """What comes of two edits when ours is preferred, when theirs is, and where they are in conflict."""
    one, other = edited(base, ours), edited(base, theirs)
    mine, conflicts = merge(base, one, other)
    their, again = merge(base, one, other, prefer_theirs=True)
    assert places(conflicts) == places(again)
    return content(mine), content(their), places(conflicts)


BASE = """<name>corner</name><tag>a</tag><item><id>1</id><label>one</label><price>2.0</price></item>
<item><id>2</id></item><shelf><name>top</name></shelf><shelf><name>low</name></shelf><shelf><name>end</name></shelf>"""
DELETED = '<item nc:operation="delete"><id>1</id></item>'


def item(number: int, inner: str = "") -> str:
    return f"<item><id>{number}</id>{inner}</item>"


def shelf(name: str, place: str = "", inner: str = "") -> str:
    return f"<shelf {place}><name>{name}</name>{inner}</shelf>"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("<name>mine</name>", "<size>5</size>"),
        (item(1, "<label>uno</label>"), item(1, "<price>3.0</price>")),
        (item(3), item(4)),
        (item(3), DELETED),
        (DELETED, '<item nc:operation="delete"><id>2</id></item>'),
        (item(1, "<stock><count>3</count></stock>"), item(1, "<stock><where>left</where></stock>")),
        ("<tag>b</tag>", "<day>monday</day>"),
        ("<sign><text>hello</text></sign>", "<brand>x</brand>"),
        (shelf("low", 'yang:insert="first"'), shelf("top", inner="<width>3</width>")),
    ],
)
def test_changes_of_different_nodes_meet(ours: str, theirs: str) -> None:
    base = tree(BASE)
    wanted = content(edited(edited(base, theirs), ours))
    assert both(base, ours, theirs) == (wanted, wanted, [])
    assert both(base, theirs, ours) == (wanted, wanted, [])


@pytest.mark.parametrize(
    ("ours", "theirs", "where"),
    [
        ("<name>mine</name>", "<name>theirs</name>", "name"),
        ("<name>same</name>", "<name>same</name>", "name"),
        ("<size>5</size>", "<size>6</size>", "size"),
        ('<name nc:operation="delete"/>', "<name>theirs</name>", "name"),
        (item(3, "<label>x</label>"), item(3), "item[id='3']"),
        (DELETED, item(1, "<label>uno</label>"), "item[id='1']"),
        (DELETED, DELETED, "item[id='1']"),
        (item(1, "<label>uno</label>"), item(1, "<label>eins</label>"), "item[id='1']/label"),
        ("<tag>b</tag>", "<tag>c</tag>", "tag"),
        ("<lots/>", "<lots/>", "lots"),
        ("<sign/>", "<sign><text>hello</text></sign>", "sign"),
        ("<extra><a xmlns='urn:x'/></extra>", "<extra><b xmlns='urn:x'/></extra>", "extra"),
        ("<notes>5</notes>", "<brand>x</brand>", "notes"),
        ("<terminal><id>5</id></terminal>", "<notes>5</notes>", "terminal"),
        ("<offline/>", "<online>always</online>", "offline"),
        (shelf("low", 'yang:insert="first"'), shelf("end", 'yang:insert="first"'), "shelf"),
    ],
)
def test_changes_of_the_same_node_are_a_conflict(ours: str, theirs: str, where: str) -> None:
    base = tree(BASE + "<brand>b</brand>") if "terminal" in ours else tree(BASE)
    mine, their = content(edited(base, ours)), content(edited(base, theirs))
    assert both(base, ours, theirs) == (mine, their, [where])


def test_several_conflicts_are_all_found() -> None:
    ours, theirs = "<name>a</name><size>1</size>", "<name>b</name><size>2</size><pin>1234</pin>"
    assert both(tree(BASE), ours, theirs)[2] == ["name", "size"]


def test_new_entries_of_both_stand_where_each_has_put_them() -> None:
    base = tree(BASE)
    ours = shelf("ours", 'yang:insert="after" yang:key="[s:name=\'top\']"')
    theirs = shelf("theirs", 'yang:insert="before" yang:key="[s:name=\'end\']"')
    merged, conflicts = merge(base, edited(base, ours), edited(base, theirs))
    shop = merged.node("shop:shop")
    assert shop is not None
    assert [key for key, _ in shop.entries("shelf").items()] == ["top", "ours", "low", "theirs", "end"]
    assert conflicts == []


def test_what_nobody_touched_is_shared() -> None:
    base = tree(BASE)
    ours, theirs = edited(base, "<name>mine</name>"), edited(base, item(1, "<label>uno</label>"))
    merged, _ = merge(base, ours, theirs)
    assert merged.node("shop:shop")["item"] is theirs.node("shop:shop")["item"]  # type: ignore[index]
    assert merge(base, base, theirs)[0] is theirs
    assert merge(base, ours, base)[0] is ours


EDITS = EditMaker(shop_schema(), tops=frozenset({"shop"}), skip=frozenset({"pin", "extra", "blob", "best"}))


def _edited(base: Node, data: st.DataObject) -> Node:
    try:
        return edit(shop_schema(), base, EDITS.edit(lambda items: items[data.draw(st.integers(0, len(items) - 1))]))
    except (RpcError, RpcErrors):
        return base


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_a_merge_is_what_replaying_our_changes_on_theirs_gives(data: st.DataObject) -> None:
    """An independent witness: our changes as the document that the journal keeps, applied to their tree."""
    base = _edited(_edited(tree(BASE), data), data)
    ours, theirs = _edited(base, data), _edited(base, data)
    merged, conflicts = merge(base, ours, theirs)
    preferred, _ = merge(base, ours, theirs, prefer_theirs=True)
    if conflicts:
        assert all(any(_meets(change.path, c.path) for change in diff(base, ours)) for c in conflicts)
        return
    assert merged == preferred
    changes = diff(base, ours)
    if any(isinstance(node := change.path[-1][0], Container) and not node.presence for change in changes):
        return  # the document creates or deletes such a container as a whole, which nobody asked for
    document = etree.fromstring(edit_document(shop_schema(), changes))
    assert _unordered(merged) == _unordered(edit(shop_schema(), theirs, document))


def _unordered(root: Node) -> list[str]:
    """The content without the order of entries, which inserts at other places may change."""
    return sorted(etree.tostring(element).decode() for element in etree.fromstring(f"<a>{content(root)}</a>"))


def _meets(one: Path, other: Path) -> bool:
    """Whether one leads to, or through, what the other leads to."""
    return all(here == there for here, there in zip(one, other, strict=False))
