"""JSON in and out (RFC 7951)."""

from __future__ import annotations

import base64
import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptomap.data.edit import edit
from cryptomap.data.json import read_json, write_json
from cryptomap.data.tree import Node, Value
from cryptomap.data.view import View
from cryptomap.errors import InvalidValue, RpcError, RpcErrors
from support.random_edits import EditMaker
from support.shop import Vault, faults_of, shop_schema, tree
from support.yang import module, schema_of

NUMBERS = schema_of(
    module(
        "numbers",
        """
  container n {
    leaf i8 { type int8; } leaf u32 { type uint32; } leaf i64 { type int64; } leaf u64 { type uint64; }
    leaf d { type decimal64 { fraction-digits 2; } }
    leaf e { type enumeration { enum one; enum two; } } leaf bits { type bits { bit a; bit b; } }
    leaf bin { type binary; }
    leaf u { type union { type uint8; type boolean; type uint64; type string; } }
    leaf ref { type leafref { path "../u32"; } }
  }
""",
    )
)


def written(root: Node | View) -> object:
    return json.loads(b"".join(write_json(shop_schema(), root)))


def read(value: object) -> Node:
    return read_json(shop_schema(), shop_schema().root, json.dumps(value), config_only=True)


PAIRS = [
    ("<name>a \"b\" ö</name>", {"name": 'a "b" ö'}),
    ("<open>true</open>", {"open": True}),
    ("<size>7</size>", {"size": 7}),
    ("<lots/>", {"lots": [None]}),
    ("<colour>red</colour>", {"colour": "shop:red"}),
    ("<colour>p:blue</colour>", {"colour": "paint:blue"}),
    ("<best>/s:shop/s:item[s:id='1']</best>", {"best": "/shop:shop/shop:item[shop:id='1']"}),
    ("<tag>b</tag><tag>a</tag>", {"tag": ["a", "b"]}),
    ("<day>b</day><day>a</day>", {"day": ["b", "a"]}),
    ("<lucky>3</lucky>", {"lucky": [3]}),
    ("<p:gloss>false</p:gloss>", {"paint:gloss": False}),
    ("<p:finish><p:coats>2</p:coats></p:finish>", {"paint:finish": {"coats": 2}}),
    ("<sign/>", {"sign": {}}),
    (
        "<item><id>2</id></item><item><id>1</id><price>1</price></item>",
        {"item": [{"id": 1, "price": "1.0"}, {"id": 2}]},
    ),
    ("<shelf><name>z</name></shelf><shelf><name>a</name></shelf>", {"shelf": [{"name": "z"}, {"name": "a"}]}),
    (
        '<extra><a>x</a><b xmlns="urn:paint"><c>1</c><c>2</c></b></extra>',
        {"extra": {"a": "x", "paint:b": {"c": ["1", "2"]}}},
    ),
    ("<blob>text</blob>", {"blob": "text"}),
]  # fmt: skip


@pytest.mark.parametrize(("inner", "value"), PAIRS)
def test_xml_and_json_say_the_same(inner: str, value: object) -> None:
    root = tree(inner)
    assert written(root) == {"shop:shop": value}
    assert read({"shop:shop": value}) == root


def test_an_empty_tree_is_an_empty_object() -> None:
    assert written(tree("")) == {}
    assert read({}) == tree("")


@pytest.mark.parametrize(
    ("leaf", "text", "value"),
    [
        ("i8", "-8", -8),
        ("u32", "4294967295", 4294967295),
        ("i64", "-9223372036854775808", "-9223372036854775808"),
        ("u64", "1", "1"),
        ("d", "1.5", "1.5"),
        ("e", "two", "two"),
        ("bits", "a b", "a b"),
        ("bin", "AAE=", "AAE="),
        ("u", "7", 7),
        ("u", "true", True),
        ("u", "256", "256"),
        ("u", "x", "x"),
        ("ref", "5", 5),
    ],
)
def test_each_type_has_its_kind_of_json_value(leaf: str, text: str, value: object) -> None:
    root = read_json(NUMBERS, NUMBERS.root, json.dumps({"numbers:n": {leaf: value}}))
    assert root.node("numbers:n").text(leaf) == text  # type: ignore[union-attr]
    assert json.loads(b"".join(write_json(NUMBERS, root))) == {"numbers:n": {leaf: value}}


def test_an_identity_of_the_leafs_own_module_needs_no_module_name() -> None:
    assert read({"shop:shop": {"colour": "red"}}) == tree("<colour>red</colour>")


def test_member_names_may_always_carry_the_module() -> None:
    assert read({"shop:shop": {"shop:name": "x"}}) == tree("<name>x</name>")


def test_state_is_asked_when_the_json_gets_there() -> None:
    asked: list[int] = []

    def sold(path: tuple[tuple[object, object], ...]) -> Value:
        asked.append(1)
        return "5"

    view = View(tree("<item><id>1</id></item><item><id>2</id></item>"), {"/shop:shop/item/sold": sold})
    pieces = write_json(shop_schema(), view)
    next(pieces)
    assert asked == []
    assert b"".join(pieces).endswith(b'"item":[{"id":1,"sold":5},{"id":2,"sold":5}]}}')


def test_secrets_are_sealed() -> None:
    root = read_json(shop_schema(), shop_schema().root, '{"shop:shop":{"pin":"1234"}}', Vault())
    assert root.node("shop:shop").text("pin") == "sealed(1234)"  # type: ignore[union-attr]
    again = b"".join(write_json(shop_schema(), root))
    assert read_json(shop_schema(), shop_schema().root, again, Vault()) == root


@pytest.mark.parametrize(
    ("value", "tag", "path"),
    [
        ([], "invalid-value", "/"),
        ({"shop:shop": 1}, "invalid-value", "/s:shop"),
        ({"shop": {}}, "unknown-element", "/"),
        ({"shop:shop": {"nope": 1}}, "unknown-element", "/s:shop"),
        ({"shop:shop": {"gloss": True}}, "unknown-element", "/s:shop"),
        ({"shop:status": {}}, "unknown-element", "/"),
        ({"shop:shop": {"name": "x", "shop:name": "x"}}, "bad-element", "/s:shop"),
        ({"shop:shop": {"name": 1}}, "invalid-value", "/s:shop/s:name"),
        ({"shop:shop": {"size": "1"}}, "invalid-value", "/s:shop/s:size"),
        ({"shop:shop": {"size": True}}, "invalid-value", "/s:shop/s:size"),
        ({"shop:shop": {"size": 1.5}}, "invalid-value", "/s:shop/s:size"),
        ({"shop:shop": {"size": 101}}, "invalid-value", "/s:shop/s:size"),
        ({"shop:shop": {"open": "true"}}, "invalid-value", "/s:shop/s:open"),
        ({"shop:shop": {"lots": None}}, "invalid-value", "/s:shop/s:lots"),
        ({"shop:shop": {"tag": "a"}}, "invalid-value", "/s:shop/s:tag"),
        ({"shop:shop": {"tag": ["a", "a"]}}, "bad-element", "/s:shop/s:tag"),
        ({"shop:shop": {"item": {}}}, "invalid-value", "/s:shop/s:item"),
        ({"shop:shop": {"item": [{}]}}, "missing-element", "/s:shop/s:item"),
        ({"shop:shop": {"item": [{"id": 1}, {"id": 1}]}}, "bad-element", "/s:shop/s:item[s:id='1']"),
        ({"shop:shop": {"extra": {"a b": 1}}}, "invalid-value", "/s:shop/s:extra"),
        ({"shop:shop": {"extra": {"a": "\0"}}}, "invalid-value", "/s:shop/s:extra"),
        ({"shop:shop": {"name": "\0"}}, "invalid-value", "/s:shop/s:name"),
        ({"shop:shop": {"coins": True, "brand": "v"}}, "bad-element", "/s:shop"),
    ],
)
def test_bad_content_is_refused(value: object, tag: str, path: str) -> None:
    with pytest.raises(RpcErrors) as caught:
        read(value)
    assert faults_of(caught.value) == [(tag, path)]


@pytest.mark.parametrize("document", ["", "{", "{]", b"\xff", "[" * 100_000])
def test_what_is_no_json_is_refused(document: str | bytes) -> None:
    with pytest.raises(InvalidValue):
        read_json(shop_schema(), shop_schema().root, document)


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), max_size=8)
shops = st.fixed_dictionaries(
    {},
    optional={
        "name": texts,
        "open": st.booleans(),
        "size": st.integers(1, 100),
        "tag": st.sets(texts, min_size=1, max_size=4).map(sorted),
        "day": st.lists(texts, unique=True, min_size=1, max_size=4),
        "item": st.dictionaries(st.integers(0, 2**32 - 1), texts, min_size=1, max_size=4).map(
            lambda found: [{"id": key, "label": found[key]} for key in sorted(found)]
        ),
        "sign": st.fixed_dictionaries({}, optional={"text": texts}),
    },
)


@given(shops)
@settings(max_examples=60, deadline=None)
def test_what_is_read_is_written_again(value: dict[str, object]) -> None:
    document = {"shop:shop": value} if value else {}
    assert written(read(document)) == document


PLACES = ("/shop:shop/shop:name", "/shop:shop/shop:item[shop:id='1']/shop:label", "/shop:shop/paint:gloss")
EDITS = EditMaker(shop_schema(), instances=PLACES, tops=frozenset({"shop"}), skip=frozenset({"pin"}))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_configuration_comes_back_from_json(data: st.DataObject) -> None:
    """Identities, instance-identifiers, empty leafs, decimals, choices, anydata: whatever edits make."""
    root = tree("")
    for _ in range(3):
        config = EDITS.edit(lambda items: items[data.draw(st.integers(0, len(items) - 1))])
        with suppress(RpcError, RpcErrors):
            root = edit(shop_schema(), root, config)
    assert read(written(root)) == root


values = {
    "i8": st.integers(-128, 127),
    "u32": st.integers(0, 2**32 - 1),
    "i64": st.integers(-(2**63), 2**63 - 1).map(str),
    "u64": st.integers(0, 2**64 - 1).map(str),
    "d": st.decimals(-1000, 1000, places=2).map(lambda number: f"{number:.2f}"),
    "e": st.sampled_from(["one", "two"]),
    "bits": st.sampled_from(["a", "b", "a b"]),
    "bin": st.binary(max_size=6).map(lambda octets: base64.b64encode(octets).decode()),
    "u": st.integers(0, 255) | st.booleans() | st.integers(256, 2**64 - 1).map(str) | st.sampled_from(["x", "1.5"]),
    "ref": st.integers(0, 2**32 - 1),
}


@given(st.fixed_dictionaries({}, optional=values))
@settings(max_examples=80, deadline=None)
def test_values_keep_their_kind_both_ways(value: dict[str, object]) -> None:
    """Numbers of up to 32 bits are numbers, larger ones strings, and members of a union what they are alone."""
    root = read_json(NUMBERS, NUMBERS.root, json.dumps({"numbers:n": value} if value else {}))
    again = json.loads(b"".join(write_json(NUMBERS, root)))
    assert read_json(NUMBERS, NUMBERS.root, json.dumps(again)) == root
    canonical = {**value, "d": str(float(str(value["d"])))} if "d" in value else value
    assert again == ({"numbers:n": canonical} if value else {})
