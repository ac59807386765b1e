"""The edit-config algebra: (content of shop, edit, content after it), and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptomap.data.edit import PartlyEdited, edit
from cryptomap.data.tree import Node
from cryptomap.data.xml import read, shapes
from cryptomap.errors import RpcError, RpcErrors
from support.shop import Vault, content, edited, faults_of, only, shop, shop_schema, tree

EMPTY = Node.empty(shop_schema().root)


@pytest.fixture(autouse=True, params=["walked", "read ahead"])
def _reading(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """List entries that look alike are read together in large edits only: here in all of them, and in none."""
    monkeypatch.setattr(read, "MANY", 1)
    monkeypatch.setattr(shapes, "WALKED_FIRST", 0 if request.param == "read ahead" else 1 << 40)


def item(number: int, inner: str = "", attributes: str = "") -> str:
    return f"<item{attributes}><id>{number}</id>{inner}</item>"


def operation(name: str) -> str:
    return f' nc:operation="{name}"'


LABEL = "<label>a</label>"
FINISH = "<p:finish><p:coats>1</p:coats></p:finish>"
CREATE, MERGE, REPLACE, DELETE, REMOVE = map(operation, ("create", "merge", "replace", "delete", "remove"))


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        # leafs
        ("", "<name>x</name>", "<name>x</name>"),
        ("<name>x</name>", "<name>y</name>", "<name>y</name>"),
        ("<name>x</name>", f"<name{REPLACE}>y</name>", "<name>y</name>"),
        ("", f"<name{CREATE}>y</name>", "<name>y</name>"),
        ("<name>x</name>", f"<name{DELETE}/>", ""),
        ("<name>x</name>", f"<name{DELETE}>other</name>", ""),
        ("<name>x</name>", f"<name{REMOVE}/>", ""),
        ("", f"<name{REMOVE}/>", ""),
        ("<open>true</open>", f"<open{DELETE}/>", ""),
        # containers
        (FINISH, "<p:finish/>", FINISH),
        ("<sign><text>a</text></sign>", f"<sign{REPLACE}/>", "<sign></sign>"),
        ("<sign><text>a</text></sign>", f"<sign><text{DELETE}/></sign>", "<sign></sign>"),
        ("", "<sign/>", "<sign></sign>"),
        ("", f"<sign{CREATE}><text>a</text></sign>", "<sign><text>a</text></sign>"),
        ("<sign/>", f"<sign{REMOVE}/>", ""),
        # lists
        (item(1), item(2), item(1) + item(2)),
        (item(1), item(1, "<label>x</label>"), item(1, "<label>x</label>")),
        (item(1, "<label>x</label>"), item(1, "<price>2</price>"), item(1, "<label>x</label><price>2.0</price>")),
        (item(1, "<label>x</label>"), item(1, "<price>2</price>", REPLACE), item(1, "<price>2.0</price>")),
        ("", item(1, "<price>2</price>", REPLACE), item(1, "<price>2.0</price>")),
        ("", item(1, "", CREATE), item(1)),
        (item(1) + item(2), item(1, "", DELETE), item(2)),
        (item(1), item(1, "", DELETE), ""),
        ("", item(1, "", REMOVE), ""),
        (item(1), item(1, LABEL) + item(1, "<price>1</price>"), item(1, f"{LABEL}<price>1.0</price>")),
        ("", item(1, LABEL) + item(1, "<price>1</price>"), item(1, f"{LABEL}<price>1.0</price>")),
        ("", item(1, "<label>a</label>") + item(1, "", REPLACE), item(1)),
        ("", item(1, "", DELETE.replace("delete", "remove")) + item(1), item(1)),
        (item(1), item(1, "", DELETE) + item(1, "<label>new</label>", CREATE), item(1, "<label>new</label>")),
        # an operation holds for what is inside, until something inside has its own
        (item(1, "<label>x</label>"), item(1, f"<price{MERGE}>3</price>", REPLACE), item(1, "<price>3.0</price>")),
        (item(1, "<label>x</label>"), item(1, f"<label{REMOVE}/><price>3</price>"), item(1, "<price>3.0</price>")),
        ("", item(1, f"<label{REMOVE}/><price>3</price>", CREATE), item(1, "<price>3.0</price>")),
        # leaf-lists
        ("<tag>b</tag>", "<tag>a</tag>", "<tag>a</tag><tag>b</tag>"),
        ("<tag>b</tag>", f"<tag{CREATE}>a</tag>", "<tag>a</tag><tag>b</tag>"),
        ("<tag>a</tag>", "<tag>a</tag>", "<tag>a</tag>"),
        ("<tag>a</tag><tag>b</tag>", f"<tag{DELETE}>a</tag>", "<tag>b</tag>"),
        ("<tag>a</tag>", f"<tag{REMOVE}>a</tag><tag{REMOVE}>b</tag>", ""),
        # anydata
        ("<extra><a/></extra>", "<extra><b/></extra>", "<extra><b/></extra>"),
        ("<extra><a/></extra>", f"<extra{REPLACE}><b nc:x='1'/></extra>", "<extra><b nc:x='1'/></extra>"),
        ("<extra><a/></extra>", f"<extra{DELETE}/>", ""),
        # choices: one case takes the place of the other
        ("<coins>false</coins><notes>5</notes>", "<brand>v</brand>", "<brand>v</brand>"),
        ("<brand>v</brand><terminal><id>1</id></terminal>", "<notes>5</notes>", "<notes>5</notes>"),
        ("<brand>v</brand><offline/>", "<online>x</online>", "<brand>v</brand><online>x</online>"),
        ("<notes>5</notes>", f"<brand{CREATE}>v</brand><notes{DELETE}/>", "<brand>v</brand>"),
        ("<notes>5</notes>", f"<brand{REMOVE}/>", "<notes>5</notes>"),
        ("<notes>5</notes>", "<terminal/>", "<notes>5</notes>"),
        ("<notes>5</notes>", "<terminal><id>1</id></terminal>", "<terminal><id>1</id></terminal>"),
        # sending back a value tagged as default unsets it
        ("<open>false</open>", "<open wd:default='true'>true</open>", ""),
        ("<open>false</open>", "<open wd:default='false'>true</open>", "<open>true</open>"),
    ],
)  # fmt: skip
def test_an_edit(before: str, change: str, after: str) -> None:
    assert content(edited(tree(before), change)) == content(tree(after))
    assert edited(tree(before), change) == tree(after)


@pytest.mark.parametrize(
    ("before", "change", "tag", "path"),
    [
        ("<name>x</name>", f"<name{CREATE}>x</name>", "data-exists", "/s:shop/s:name"),
        ("", f"<name{DELETE}/>", "data-missing", "/s:shop/s:name"),
        ("", f"<open{DELETE}/>", "data-missing", "/s:shop/s:open"),
        ("<sign/>", f"<sign{CREATE}/>", "data-exists", "/s:shop/s:sign"),
        ("", f"<sign{DELETE}/>", "data-missing", "/s:shop/s:sign"),
        (item(1), item(1, "", CREATE), "data-exists", "/s:shop/s:item[s:id='1']"),
        (item(1), item(2, "", DELETE), "data-missing", "/s:shop/s:item[s:id='2']"),
        ("", item(1, "", CREATE) + item(1, "", CREATE), "data-exists", "/s:shop/s:item[s:id='1']"),
        (item(1), item(1, f"<label{DELETE}/>"), "data-missing", "/s:shop/s:item[s:id='1']/s:label"),
        (item(1, "<label>x</label>"), item(1, f"<label{DELETE}/>", REPLACE), "data-missing",
         "/s:shop/s:item[s:id='1']/s:label"),
        ("<tag>a</tag>", f"<tag{CREATE}>a</tag>", "data-exists", "/s:shop/s:tag[.='a']"),
        ("<tag>a</tag>", f"<tag{DELETE}>b</tag>", "data-missing", "/s:shop/s:tag[.='b']"),
        ("", "<tag>a</tag><tag>a</tag>", "bad-element", "/s:shop/s:tag[.='a']"),
        ("", "<name>a</name><name>a</name>", "bad-element", "/s:shop/s:name"),
        ("<name>a</name>", "<name>a</name><name>a</name>", "bad-element", "/s:shop/s:name"),
        ("", "<brand>v</brand><coins>true</coins>", "bad-element", "/s:shop/s:brand"),
        ("<name>a</name>", "<brand>v</brand><coins>true</coins>", "bad-element", "/s:shop/s:brand"),
        ("", f"<name{operation('mend')}>x</name>", "bad-attribute", "/s:shop/s:name"),
        ("", "<name operation='delete'>x</name>", "unknown-attribute", "/s:shop/s:name"),
        ("", "<name xmlns:x='urn:x' x:y='1'>x</name>", "unknown-attribute", "/s:shop/s:name"),
        ("", "<name yang:insert='first'>x</name>", "unknown-attribute", "/s:shop/s:name"),
        ("", item(1, "", " yang:insert='first'"), "unknown-attribute", "/s:shop/s:item[s:id='1']"),
        (item(1), f"<item><id{DELETE}>1</id></item>", "bad-attribute", "/s:shop/s:item[s:id='1']/s:id"),
        (item(1), "<item><label>x</label></item>", "missing-element", "/s:shop/s:item"),
        (item(1), "<item><id>1</id><id>1</id></item>", "bad-element", "/s:shop/s:item[s:id='1']/s:id"),
        (item(1), item(1, "<sold>3</sold>"), "unknown-element", "/s:shop/s:item[s:id='1']/s:sold"),
        (item(1), item(1, "<price>x</price>"), "invalid-value", "/s:shop/s:item[s:id='1']/s:price"),
        (item(1), "<item>text<id>1</id></item>", "bad-element", "/s:shop/s:item[s:id='1']"),
        ("<name>x</name>", "<x xmlns='urn:x'/>", "unknown-namespace", "/s:shop"),
        ("", "<open wd:default='true'>false</open>", "invalid-value", "/s:shop/s:open"),
        ("", "<open wd:default='maybe'>true</open>", "bad-attribute", "/s:shop/s:open"),
    ],
)  # fmt: skip
def test_a_refused_edit(before: str, change: str, tag: str, path: str) -> None:
    root = tree(before)
    with pytest.raises(RpcErrors) as caught:
        edited(root, change)
    assert faults_of(caught.value) == [(tag, path)]
    assert root == tree(before)


def refused(before: str, change: str, **options: str) -> RpcError:
    with pytest.raises(RpcErrors) as caught:
        edited(tree(before), change, **options)
    return only(caught.value)


def test_a_bad_attribute_is_named_with_its_element() -> None:
    assert refused("", f"<name{operation('mend')}/>").info == (("bad-attribute", "operation"), ("bad-element", "name"))


# ===== default-operation =====


def test_default_operation_replace_leaves_nothing_of_what_was() -> None:
    root = edited(tree("<name>x</name>" + item(1)), item(2), default_operation="replace")
    assert root == tree(item(2))


def test_default_operation_replace_shares_what_stays_equal() -> None:
    before = tree(item(1, "<label>a</label>") + item(2))
    after = edited(before, item(1, "<label>a</label>") + item(2, "<label>b</label>"), default_operation="replace")
    assert after.node("shop:shop").entries("item").get(1) is before.node("shop:shop").entries("item").get(1)  # type: ignore[union-attr]
    assert edited(before, item(1, "<label>a</label>") + item(2), default_operation="replace") is before


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        ("<name>x</name>", "<name>y</name>", "<name>x</name>"),
        (item(1), item(1, f"<label{CREATE}>x</label>"), item(1, "<label>x</label>")),
        ("", f"<p:finish><p:coats{CREATE}>1</p:coats></p:finish>", FINISH),
        ("<day>a</day>", "<day>a</day>", "<day>a</day>"),
    ],
)  # fmt: skip
def test_default_operation_none_only_does_what_operations_say(before: str, change: str, after: str) -> None:
    assert edited(tree(before), change, default_operation="none") == tree(after)


@pytest.mark.parametrize("change", [item(1, f"<label{CREATE}>x</label>"), "<name>x</name>", "<sign/>", "<tag>a</tag>"])
def test_default_operation_none_needs_what_is_on_the_way(change: str) -> None:
    assert refused("", change, default_operation="none").tag == "data-missing"


def test_an_unknown_default_operation_is_refused() -> None:
    with pytest.raises(RpcError) as caught:
        edited(EMPTY, "", default_operation="create")
    assert caught.value.tag == "invalid-value"


# ===== order by the user =====

SHELVES = "".join(f"<shelf><name>{name}</name></shelf>" for name in "abc")
DAYS = "".join(f"<day>{name}</day>" for name in "abc")


def order(root: Node) -> str:
    return "".join(str(entry["name"]) for entry in root.node("shop:shop").entries("shelf").nodes())  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("attributes", "name", "after"),
    [
        ("", "x", "abcx"),
        ("", "a", "abc"),
        ("yang:insert='first'", "x", "xabc"),
        ("yang:insert='last'", "x", "abcx"),
        ("yang:insert='last'", "a", "bca"),
        ("yang:insert='first'", "c", "cab"),
        ("yang:insert='before' yang:key=\"[s:name='b']\"", "x", "axbc"),
        ("yang:insert='after' yang:key=\"[s:name='b']\"", "x", "abxc"),
        ("yang:insert='after' yang:key=\"[name='c']\"", "a", "bca"),
        ("yang:insert='first' nc:operation='create'", "x", "xabc"),
        ("yang:insert='first' nc:operation='replace'", "b", "bac"),
        ("nc:operation='replace'", "b", "abc"),
        ("nc:operation='delete'", "b", "ac"),
    ],
)
def test_entries_go_where_insert_says(attributes: str, name: str, after: str) -> None:
    assert order(edited(tree(SHELVES), f"<shelf {attributes}><name>{name}</name></shelf>")) == after


@pytest.mark.parametrize(
    ("attributes", "name", "after"),
    [
        ("", "x", "abcx"),
        ("yang:insert='first'", "c", "cab"),
        ("yang:insert='before' yang:value='b'", "x", "axbc"),
        ("yang:insert='after' yang:value='c'", "a", "bca"),
        ("yang:insert='first' nc:operation='create'", "x", "xabc"),
        ("nc:operation='delete'", "b", "ac"),
    ],
)
def test_values_go_where_insert_says(attributes: str, name: str, after: str) -> None:
    root = edited(tree(DAYS), f"<day {attributes}>{name}</day>")
    assert "".join(root.node("shop:shop").values("day")) == after  # type: ignore[union-attr]


def test_entries_of_one_edit_are_placed_one_after_the_other() -> None:
    change = (
        "<shelf yang:insert='first'><name>x</name></shelf>"
        "<shelf yang:insert='after' yang:key=\"[s:name='x']\"><name>y</name><width>3</width></shelf>"
    )
    assert order(edited(tree(SHELVES), change)) == "xyabc"


def after(anchor: str) -> str:
    return f'<shelf yang:insert="after" yang:key="{anchor}"><name>x</name></shelf>'


@pytest.mark.parametrize(
    ("change", "tag", "app_tag", "attribute"),
    [
        (after("[s:name='q']"), "bad-attribute", "missing-instance", "key"),
        (after("[s:name='x']"), "bad-attribute", "missing-instance", "key"),
        (after("b"), "bad-attribute", None, "key"),
        (after("[s:width='1']"), "bad-attribute", None, "key"),
        (after("[z:name='a']"), "bad-attribute", None, "key"),
        ("<shelf yang:insert='after'><name>x</name></shelf>", "missing-attribute", None, "key"),
        ("<shelf yang:insert='beside'><name>x</name></shelf>", "bad-attribute", None, "insert"),
        ("<shelf yang:insert='after' yang:value='a'><name>x</name></shelf>", "unknown-attribute", None, "value"),
        ("<day yang:insert='before' yang:value='q'>x</day>", "bad-attribute", "missing-instance", "value"),
        ("<day yang:insert='before'>x</day>", "missing-attribute", None, "value"),
    ],
)  # fmt: skip
def test_a_place_that_is_none_is_refused(change: str, tag: str, app_tag: str | None, attribute: str) -> None:
    with pytest.raises(RpcErrors) as caught:
        edited(tree(SHELVES + DAYS), change)
    error = caught.value.errors[0]
    assert (error.tag, error.app_tag, dict(error.info)["bad-attribute"]) == (tag, app_tag, attribute)


# ===== faults and sharing =====


def test_all_faults_of_an_edit_are_reported_and_nothing_is_taken() -> None:
    root = tree("<name>x</name>")
    with pytest.raises(RpcErrors) as caught:
        edited(root, f"<name>y</name><size>0</size><sign{DELETE}/>" + item(1, "<nope/>"))
    assert [tag for tag, _ in faults_of(caught.value)] == ["invalid-value", "data-missing", "unknown-element"]
    assert root == tree("<name>x</name>")


def test_continue_on_error_hands_over_what_was_right() -> None:
    with pytest.raises(PartlyEdited) as caught:
        edited(tree("<name>x</name>"), "<name>y</name><size>0</size>", error_option="continue-on-error")
    assert len(caught.value.errors) == 1
    assert caught.value.root == tree("<name>y</name>")


@pytest.mark.parametrize("before", ["", "<name>x</name>"])
def test_continue_on_error_never_leaves_two_cases_of_a_choice(before: str) -> None:
    both = "<coins>true</coins><brand>v</brand><item><id>1</id></item>"
    with pytest.raises(PartlyEdited) as caught:
        edited(tree(before), both, error_option="continue-on-error")
    assert [error.tag for error in caught.value.errors] == ["bad-element"]
    assert caught.value.root == tree(f"{before}<coins>true</coins><item><id>1</id></item>")


def test_an_edit_that_changes_nothing_gives_the_same_tree() -> None:
    inner = "<name>x</name><tag>a</tag><day>m</day><sign/><extra><a/></extra>" + item(1, "<label>l</label>") + SHELVES
    root = tree(inner)
    assert edited(root, inner) is root
    assert edited(root, f"<sign{REPLACE}/>" + item(1, "<label>l</label>", REPLACE)) is root


def test_an_edit_shares_what_it_does_not_touch() -> None:
    before = tree("<sign/>" + "".join(item(number) for number in range(2000)))
    after = edited(before, item(7, "<label>x</label>"))
    old, new = before.node("shop:shop"), after.node("shop:shop")
    assert old is not None
    assert new is not None
    assert new["sign"] is old["sign"]
    chunks = (old.entries("item").chunks, new.entries("item").chunks)  # type: ignore[union-attr]
    assert sum(one is not other for one, other in zip(*chunks, strict=True)) == 1


def test_secrets_are_sealed_and_the_same_secret_is_no_change() -> None:
    root = edit(shop_schema(), EMPTY, shop("<pin>1234</pin>"), seal=Vault())
    assert root == edit(shop_schema(), root, shop("<pin>sealed(1234)</pin>"), seal=Vault())
    assert edit(shop_schema(), root, shop("<pin>1234</pin>"), seal=Vault()) is root
    assert content(root) == "<pin>sealed(1234)</pin>"


def test_a_default_of_a_case_leaf_that_was_switched_away_is_gone() -> None:
    assert content(edited(tree("<coins>true</coins>"), "<online>x</online>")) == "<online>x</online>"


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["create", "remove", "merge", "replace"])), max_size=40))
def test_many_operations_in_one_edit_do_what_they_do_one_by_one(steps: list[tuple[int, str]]) -> None:
    present: dict[int, int] = {}
    changes = []
    for number, (key, name) in enumerate(steps):
        if name == "create" and key in present:
            continue
        changes.append(item(key, f"<label>{number}</label>", operation(name)))
        if name == "remove":
            present.pop(key, None)
        else:
            present[key] = number
    expected = tree("".join(item(key, f"<label>{number}</label>") for key, number in present.items()))
    assert edited(EMPTY, "".join(changes)) == expected
