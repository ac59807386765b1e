"""Immutable nodes and the entries of lists."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptomap.data.tree import (
    CHUNK_MAX,
    Key,
    KeylessEntries,
    LazyEntries,
    Node,
    SortedEntries,
    UserEntries,
    entries_of,
    key_of,
    key_text,
    reuse,
)
from cryptomap.schema.nodes import ListNode
from support.shop import shop_schema, tree

ITEM = shop_schema().find("/shop:shop/item")
SHELF = shop_schema().find("/shop:shop/shelf")
assert isinstance(ITEM, ListNode)
assert isinstance(SHELF, ListNode)


def item(number: int, label: str | None = None) -> Node:
    assert isinstance(ITEM, ListNode)
    node = Node.empty(ITEM).with_slot(ITEM.child("id").slot, str(number))
    return node.with_slot(ITEM.child("label").slot, label)


def many(numbers: Any) -> SortedEntries:
    entries = SortedEntries.build({number: item(number) for number in numbers})
    assert entries is not None
    return entries


def test_a_node_is_read_by_slot_and_by_name() -> None:
    node = tree("<name>x</name><tag>a</tag><p:gloss>true</p:gloss><sign/>").node("shop:shop")
    assert node is not None
    assert (node["name"], node["shop:name"], node["paint:gloss"]) == ("x", "x", "true")
    assert (node.text("name"), node.text("size"), node.values("tag"), node.values("day")) == ("x", None, ("a",), ())
    assert node.node("sign") is not None
    assert list(node.entries("item").items()) == []
    with pytest.raises(KeyError):
        node["nope"]


def test_a_changed_copy_shares_the_rest() -> None:
    old = item(1, "x")
    new = old.with_slot(old.schema.child("label").slot, "y")
    assert (old["label"], new["label"], new["id"]) == ("x", "y", "1")
    assert old.with_slot(0, old.slots[0]) is old


def test_keys_are_numbers_where_their_type_is() -> None:
    assert key_of(item(7)) == 7
    assert key_text(("m", 2)) == ("m", "2")
    assert key_text(7) == ("7",)


operations = st.lists(st.dictionaries(st.integers(0, 2000), st.booleans(), max_size=30), max_size=12)


@given(st.sets(st.integers(0, 2000), max_size=1500), operations)
@settings(max_examples=60, deadline=None)
def test_sorted_entries_behave_like_a_sorted_dict(start: set[int], steps: list[dict[int, bool]]) -> None:
    model: dict[Key, Node] = {number: item(number) for number in start}
    entries = SortedEntries.build(model)
    for step in steps:
        changes: dict[Key, Node | None] = {n: item(n, "new") if keep else None for n, keep in step.items()}
        before, before_model = entries, dict(model)
        entries = entries.replace(changes) if entries else SortedEntries.build({k: v for k, v in changes.items() if v})
        model |= {number: node for number, node in changes.items() if node is not None}
        for number, node in changes.items():
            if node is None:
                model.pop(number, None)
        check(entries, model)
        if before and entries:
            differences = {key: (old, new) for key, old, new in before.differences(entries)}
            expected = {
                key: (before_model.get(key), model.get(key))
                for key in before_model.keys() | model.keys()
                if before_model.get(key) is not model.get(key)
            }
            assert differences == expected
        if before:
            check(before, before_model)


def check(entries: SortedEntries | None, model: dict[Key, Node]) -> None:
    if entries is None:
        assert not model
        return
    keys = sorted(model)
    assert [key for key, _ in entries.items()] == keys
    assert list(entries.nodes()) == [model[key] for key in keys]
    assert len(entries) == len(model)
    assert all(0 < len(chunk.keys) <= CHUNK_MAX for chunk in entries.chunks)
    for key in (-1, 0, 1000, 2001, *list(model)[:5]):
        assert entries.get(key) is model.get(key)
        assert (key in entries) == (key in model)


def test_replacing_one_of_many_copies_one_chunk() -> None:
    entries = many(range(10_000))
    changed = entries.replace({5000: item(5000, "x")})
    assert changed is not None
    same = [new for old, new in zip(entries.chunks, changed.chunks, strict=True) if new is old]
    assert len(same) == len(entries.chunks) - 1
    assert [key for key, _, _ in entries.differences(changed)] == [5000]


def test_replacing_by_the_same_objects_gives_the_same_entries() -> None:
    entries = many(range(1000))
    assert entries.replace({5: entries.get(5), 2000: None}) is entries
    assert entries.replace({5: entries.get(5)}) is entries


def test_entries_are_equal_by_content_whatever_their_chunks() -> None:
    grown = many(range(300)).replace({number: item(number) for number in range(300, 900)})
    assert grown == many(range(900))
    assert grown != many(range(901))
    assert many([1, 2]) != many([1, 3])


def test_user_entries_keep_their_order() -> None:
    entries = UserEntries({3: item(3), 1: item(1)})
    assert entries.keys() == (3, 1)
    assert (replaced := entries.replace({3: item(3, "x"), 2: item(2), 1: None})) is not None
    assert replaced.keys() == (3, 2)
    assert entries != UserEntries({1: item(1), 3: item(3)})
    assert UserEntries({1: item(1)}).replace({1: None}) is None


def test_keyless_entries_are_found_by_position() -> None:
    entries = KeylessEntries([item(5), item(6)])
    assert [key for key, _ in entries.items()] == [0, 1]
    assert (entries.get(1) == item(6), entries.get(2), entries.get("x"), 0 in entries) == (True, None, None, True)


def test_the_schema_says_which_kind_of_entries() -> None:
    assert isinstance(ITEM, ListNode)
    assert isinstance(SHELF, ListNode)
    assert isinstance(entries_of(ITEM, {1: item(1)}), SortedEntries)
    assert isinstance(entries_of(SHELF, {"a": item(1)}), UserEntries)
    assert entries_of(ITEM, {}) is None


def test_lazy_entries_are_made_when_they_are_reached() -> None:
    made: list[object] = []

    def make(key: object, node: Node) -> Node | None:
        made.append(key)
        return None if key == 2 else node.with_slot(node.schema.child("label").slot, "made")

    lazy = LazyEntries(many([1, 2, 3]), make)
    assert made == []
    assert next(lazy.nodes())["label"] == "made"
    assert made == [1]
    assert lazy.get(9) is None
    assert (lazy.get(2), len(lazy)) == (None, 2)
    assert lazy.settle() == SortedEntries.build({1: item(1, "made"), 3: item(3, "made")})
    assert LazyEntries(many([2]), make).settle() is None


def test_reuse_takes_what_is_equal_from_the_old_tree() -> None:
    inner = "<name>x</name><sign><text>t</text></sign><item><id>1</id></item><shelf><name>a</name></shelf>"
    old, new = tree(inner + "<item><id>2</id></item>"), tree(inner)
    mixed = reuse(old, new)
    assert mixed == new
    one, other = old.node("shop:shop"), mixed.node("shop:shop")  # type: ignore[union-attr]
    assert one is not None
    assert other is not None
    assert other["sign"] is one["sign"]
    assert other["shelf"] is one["shelf"]
    assert other.entries("item").get(1) is one.entries("item").get(1)
    assert reuse(old, tree(inner + "<item><id>2</id></item>")) is old
    assert reuse(None, new) is new
    assert reuse(old, None) is None
