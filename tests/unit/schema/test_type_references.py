"""identityref, leafref, instance-identifier and union (RFC 7950 sections 9.9, 9.10, 9.12, 9.13)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cryptomap.schema.faults import SchemaFault
from cryptomap.schema.nodes import Leaf, LeafList, Schema
from cryptomap.schema.types import LeafrefType, Type, TypeFault, UnionType

Compile = Callable[..., Schema]

ANIMALS = """
  identity animal;
  identity pet;
  identity cat { base animal; base pet; }
  identity lynx { base cat; }
  identity wolf { base animal; }
"""


def _type(schema: Schema, path: str) -> Type:
    leaf = schema.find(path)
    assert isinstance(leaf, Leaf | LeafList)
    return leaf.type


def _names(prefix: str | None) -> str:
    """The prefixes in scope of an element whose default namespace is module b's."""
    known = {None: "b", "x": "a"}
    if prefix not in known:
        raise TypeFault(f"prefix '{prefix}' is not declared")
    return known[prefix]


# ===== identityref =====


def test_identityref_takes_derived_identities_of_all_modules(compiled: Compile) -> None:
    schema = compiled(
        a=f"{ANIMALS} leaf kind {{ type identityref {{ base animal; }} }}",
        b="import a { prefix aa; } identity manul { base aa:cat; }",
    )
    kind = _type(schema, "/a:kind")
    assert kind.values == {"a:cat", "a:lynx", "a:wolf", "b:manul"}  # type: ignore[attr-defined]
    assert kind.parse("x:wolf", _names) == "a:wolf"
    assert kind.parse("manul", _names) == "b:manul"
    assert kind.parse("b:manul") == "b:manul"
    assert kind.render("b:manul", {"b": "ns0"}.__getitem__) == "ns0:manul"
    assert kind.qualified


@pytest.mark.parametrize("text", ["x:animal", "x:unheard-of", "wolf", "x:", ""])
def test_identityref_refuses(compiled: Compile, text: str) -> None:
    schema = compiled(a=f"{ANIMALS} leaf kind {{ type identityref {{ base animal; }} }}", b="")
    with pytest.raises(TypeFault, match="not an identity derived from a:animal"):
        _type(schema, "/a:kind").parse(text, _names)


def test_identityref_refuses_an_undeclared_prefix_and_a_bare_name_without_scope(compiled: Compile) -> None:
    kind = _type(compiled(a=f"{ANIMALS} leaf kind {{ type identityref {{ base animal; }} }}"), "/a:kind")
    with pytest.raises(TypeFault, match="prefix 'y' is not declared"):
        kind.parse("y:wolf", _names)
    with pytest.raises(TypeFault, match="not an identity"):
        kind.parse("wolf")


def test_identityref_with_two_bases_takes_what_derives_from_both(compiled: Compile) -> None:
    schema = compiled(a=f"{ANIMALS} leaf kind {{ type identityref {{ base animal; base pet; }} }}")
    assert _type(schema, "/a:kind").values == {"a:cat", "a:lynx"}  # type: ignore[attr-defined]


def test_identities_of_imported_modules_are_bases_but_no_values(compiled: Compile) -> None:
    importing = "import a { prefix a; } leaf kind { type identityref { base a:animal; } } identity dog { base a:wolf; }"
    schema = compiled(b=importing, extra={"a": ANIMALS})
    assert _type(schema, "/b:kind").values == {"b:dog"}  # type: ignore[attr-defined]
    assert schema.identities["b:dog"].ancestors == {"a:wolf", "a:animal"}


# ===== leafref =====


def test_leafref_takes_the_values_of_its_target(compiled: Compile) -> None:
    schema = compiled(
        a="""list port { key number; leaf number { type uint16 { range 1..100; } } }
             leaf uplink { type leafref { path "/a:port/a:number"; require-instance false; } default 0x10; }"""
    )
    uplink = schema.find("/a:uplink")
    assert isinstance(uplink, Leaf)
    assert isinstance(uplink.type, LeafrefType)
    assert uplink.type.target_node is schema.find("/a:port/number")
    assert uplink.type.target_path == "/a:port/number"
    assert uplink.type.path_text == "/a:port/a:number"
    assert not uplink.type.require_instance
    assert uplink.default == "16"
    assert (uplink.type.parse(" 07"), uplink.type.sort_key("7")) == ("7", 7)
    with pytest.raises(TypeFault, match=r"not in the range 1\.\.100"):
        uplink.type.parse("101")


def test_a_chain_of_leafrefs_ends_at_the_last_target(compiled: Compile) -> None:
    schema = compiled(
        a=f"""{ANIMALS}
             leaf first {{ type leafref {{ path "../second"; }} }}
             leaf second {{ type leafref {{ path "../third"; }} }}
             leaf third {{ type identityref {{ base animal; }} }}"""
    )
    first = _type(schema, "/a:first")
    assert first.qualified
    assert first.parse("x:wolf", _names) == "a:wolf"
    assert first.render("a:wolf", lambda module: "p") == "p:wolf"


def test_relative_leafref_leads_through_choices_lists_and_keys(compiled: Compile) -> None:
    schema = compiled(
        a="""list box { key name; leaf name { type string; }
               list item { key id; leaf id { type uint8; } } }
             container pick { choice how { case one {
               leaf box { type leafref { path "../../box/name"; } }
               leaf item { type leafref { path "/box[name = current()/../box]/item/id"; } } } } }"""
    )
    assert _type(schema, "/a:pick/box").target_path == "/a:box/name"  # type: ignore[attr-defined]
    assert _type(schema, "/a:pick/item").target_path == "/a:box/item/id"  # type: ignore[attr-defined]


def test_a_name_without_prefix_in_a_typedef_belongs_to_the_leaf_that_uses_it(compiled: Compile) -> None:
    schema = compiled(
        a='typedef name-ref { type leafref { path "/box/name"; } }',
        b="""import a { prefix a; } container box { leaf name { type uint8; } } leaf r { type a:name-ref; }""",
    )
    assert _type(schema, "/b:r").target_path == "/b:box/name"  # type: ignore[attr-defined]


def test_leafref_in_a_grouping_points_into_each_use(compiled: Compile) -> None:
    schema = compiled(
        a="""grouping g { leaf id { type uint8; } leaf ref { type leafref { path "../id"; } } }
             container one { uses g; } container two { uses g { refine id { default 3; } } }"""
    )
    assert _type(schema, "/a:one/ref").target_path == "/a:one/id"  # type: ignore[attr-defined]
    assert _type(schema, "/a:two/ref").target_path == "/a:two/id"  # type: ignore[attr-defined]


def test_leafrefs_inside_rpcs_actions_and_notifications(compiled: Compile) -> None:
    schema = compiled(
        a="""container top { leaf name { type uint8; }
               action act { input { leaf mine { type string; }
                   leaf peer { type leafref { path "../mine"; } }
                   leaf up { type leafref { path "../../name"; } } }
                 output { leaf same { type leafref { path "/top/name"; } } } } }
             notification alarm { leaf code { type int8; } leaf again { type leafref { path "/alarm/code"; } } }
             rpc call { input { leaf x { type leafref { path "../y"; } } leaf y { type boolean; } } }"""
    )
    action = schema.find("/a:top").operations["{urn:test:a}act"]  # type: ignore[attr-defined]
    assert action.input.child("peer").type.target_path == "/a:top/act/input/mine"
    assert action.input.child("up").type.target_path == "/a:top/name"
    assert action.output.child("same").type.target_path == "/a:top/name"
    alarm = schema.notifications["{urn:test:a}alarm"]
    assert alarm.child("again").type.target_node is alarm.child("code")  # type: ignore[attr-defined]
    call = schema.operations["{urn:test:a}call"]
    assert call.input.child("x").type.target_node is call.input.child("y")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("leafs", "culprit"),
    [
        ('leaf r { type leafref { path "/nowhere"; } }', "nowhere"),
        ('leaf r { type leafref { path "../../x"; } }', "a.yang, line 2"),
        ('container c; leaf r { type leafref { path "/c"; } }', "a.yang, line 2"),
        ('leaf r { type union { type leafref { path "/gone"; } type int8; } }', "path /gone: / has no child a:gone"),
        ('leaf r { type union { type leafref { path "../r"; } } }', "points to itself"),
    ],
)
def test_a_leafref_that_leads_nowhere_is_refused(compiled: Compile, leafs: str, culprit: str) -> None:
    with pytest.raises(SchemaFault, match=culprit):
        compiled(a=leafs)


def test_a_leafref_to_a_node_that_features_removed_is_refused(compiled: Compile) -> None:
    text = 'feature f; leaf t { if-feature "not f"; type int8; } leaf r { type leafref { path "/t"; } }'
    assert _type(compiled(a=text, features={"a": []}), "/a:r").target_path == "/a:t"  # type: ignore[attr-defined]
    with pytest.raises(SchemaFault, match="leafref /a:r: path /t: / has no child a:t"):
        compiled(a=text, features={"a": ["f"]})


# ===== union =====


def test_union_takes_the_first_member_that_fits(compiled: Compile) -> None:
    schema = compiled(
        a=f"""{ANIMALS} leaf t {{ type uint16; }}
             leaf u {{ type union {{ type uint8; type leafref {{ path "/t"; }} type enumeration {{ enum any; }}
                       type identityref {{ base animal; }} type string {{ pattern "#.*"; }} }} }}"""
    )
    union = _type(schema, "/a:u")
    assert isinstance(union, UnionType)
    assert union.qualified
    values = [union.parse(text, _names) for text in ("007", "0300", "any", "x:wolf", "#x:wolf")]
    assert values == ["7", "300", "any", "a:wolf", "#x:wolf"]
    bases = [union.member_of(value).base for value in values]
    assert bases == ["uint8", "leafref", "enumeration", "identityref", "string"]
    assert union.render("a:wolf", lambda module: "zoo") == "zoo:wolf"
    assert union.render("300", lambda module: "zoo") == "300"


def test_union_tells_why_each_member_refuses(compiled: Compile) -> None:
    union = _type(compiled(a="leaf u { type union { type uint8; type boolean; } }"), "/a:u")
    assert not union.qualified
    with pytest.raises(TypeFault, match=r"no member of the union: 'x' is not an integer .*; 'x' is neither 'true'"):
        union.parse("x")


def test_union_default_may_be_hexadecimal(compiled: Compile) -> None:
    leaf = compiled(a="leaf u { type union { type boolean; type uint8; } default 0x0a; }").find("/a:u")
    assert isinstance(leaf, Leaf)
    assert leaf.default == "10"


# ===== instance-identifier =====

PLACES = """
  container top {
    list box { key "kind id"; leaf kind { type string; } leaf id { type uint8; } leaf size { type int8; }
               leaf-list label { type string; } }
    list log { config false; leaf text { type string; } }
  }
  leaf where { type instance-identifier { require-instance false; } }
"""


def _all_a(prefix: str | None) -> str:
    if prefix not in ("p", "q"):
        raise TypeFault(f"prefix '{prefix}' is not declared")
    return "a"


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("/p:top", "/a:top"),
        ("/p:top/q:box[p:id='07'][p:kind=\"x\"]", "/a:top/a:box[a:kind='x'][a:id='7']"),
        ("/p:top/p:box[ p:kind = \"it's\" ][p:id='1']/p:size", "/a:top/a:box[a:kind=\"it's\"][a:id='1']/a:size"),
        (
            "/p:top/p:box[p:kind=']/'][p:id='1']/p:label[.='a b']",
            "/a:top/a:box[a:kind=']/'][a:id='1']/a:label[.='a b']",
        ),
        ("/p:top/p:log[3]/p:text", "/a:top/a:log[3]/a:text"),
    ],
)
def test_instance_identifier(compiled: Compile, text: str, canonical: str) -> None:
    kind = _type(compiled(a=PLACES), "/a:where")
    assert kind.parse(text, _all_a) == canonical
    assert kind.parse(canonical) == canonical
    assert kind.render(canonical, lambda module: "zz") == canonical.replace("a:", "zz:")


def test_instance_identifier_writes_the_prefixes_of_identities_in_keys(compiled: Compile) -> None:
    schema = compiled(
        a=f"{ANIMALS} list zoo {{ key kind; leaf kind {{ type identityref {{ base animal; }} }} }}"
        "leaf where { type instance-identifier; }"
    )
    kind = _type(schema, "/a:where")
    assert kind.parse("/x:zoo[x:kind='x:wolf']", _names) == "/a:zoo[a:kind='a:wolf']"
    assert kind.render("/a:zoo[a:kind='a:wolf']", lambda module: "x") == "/x:zoo[x:kind='x:wolf']"


def test_instance_identifier_without_scope_may_omit_the_same_module(compiled: Compile) -> None:
    assert _type(compiled(a=PLACES), "/a:where").parse("/a:top/log[1]") == "/a:top/a:log[1]"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not an instance-identifier"),
        ("p:top", "not an instance-identifier"),
        ("/p:top/", "not an instance-identifier"),
        ("/p:top//p:box", "not an instance-identifier"),
        ("/p:nope", "a:nope is unknown"),
        ("/p:where/p:x", "a:x is unknown"),
        ("/z:top", "prefix 'z' is not declared"),
        ("/p:top/box", "needs a prefix"),
        ("/p:top/p:box", "each key of a:box once: kind, id"),
        ("/p:top/p:box[p:kind='x']", "each key"),
        ("/p:top/p:box[p:kind='x'][p:kind='y']", "each key"),
        ("/p:top/p:box[p:kind='x'][p:id='999']", "not in the range"),
        ("/p:top/p:log", "does not choose an instance of a:log"),
        ("/p:top[1]", "does not choose"),
        ("/p:top/p:log[0]", "does not choose"),
    ],
)
def test_instance_identifier_refuses(compiled: Compile, text: str, why: str) -> None:
    with pytest.raises(TypeFault, match=why):
        _type(compiled(a=PLACES), "/a:where").parse(text, _all_a)


# ===== xpath1.0 of ietf-yang-types (RFC 6991) =====


def test_xpath_keeps_what_its_prefixes_stand_for(compiled: Compile) -> None:
    schema = compiled(
        a="import ietf-yang-types { prefix yang; } typedef mine { type yang:xpath1.0; }"
        " leaf path { type yang:xpath1.0; } leaf own { type mine; }",
        b="",
    )
    for path in ("/a:path", "/a:own"):
        kind = _type(schema, path)
        assert kind.parse("/x:c[x:k='x:y']/child::x:d", _names) == "/a:c[a:k='x:y']/child::a:d"
        assert kind.parse("/a:c", None) == "/a:c"
        assert kind.render("/a:c[a:k='a:y']/child::a:d", {"a": "p"}.__getitem__) == "/p:c[p:k='a:y']/child::p:d"
        assert kind.render("/gone:c", {"a": "p"}.__getitem__) == "/gone:c"
        with pytest.raises(TypeFault, match="prefix 'z' is not declared"):
            kind.parse("/z:c", _names)
