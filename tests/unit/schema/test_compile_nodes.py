"""What compiled nodes look like, one group of statements after the other (RFC 7950 section 7)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cryptomap.schema.faults import SchemaFault
from cryptomap.schema.nodes import Any_, Container, DataNode, Leaf, LeafList, ListNode, Schema
from cryptomap.schema.xpath import parse

Compile = Callable[..., Schema]


def _list(schema: Schema, path: str) -> ListNode:
    node = schema.find(path)
    assert isinstance(node, ListNode)
    return node


def _leaf(schema: Schema, path: str) -> Leaf:
    node = schema.find(path)
    assert isinstance(node, Leaf)
    return node


def _container(schema: Schema, path: str) -> Container:
    node = schema.find(path)
    assert isinstance(node, Container)
    return node


def _paths(schema: Schema) -> list[str]:
    found: list[str] = []
    schema.walk(lambda node: found.append(node.path))
    return found


# ===== nodes and their properties =====


def test_every_kind_of_data_node(compiled: Compile) -> None:
    schema = compiled(
        a="""container p { presence "it counts"; description "why"; status deprecated; }
             leaf-list l { type int8; min-elements 1; max-elements 4; ordered-by user; }
             list k { key "x"; leaf x { type int8; } max-elements unbounded; }
             list s { config false; leaf y { type int8; units seconds; } }
             anydata d { mandatory true; } anyxml m;
             leaf f { type string; mandatory true; }"""
    )
    presence = _container(schema, "/a:p")
    assert (presence.presence, presence.description, presence.status) == (True, "why", "deprecated")
    values = schema.find("/a:l")
    assert isinstance(values, LeafList)
    assert (values.min_elements, values.max_elements, values.user_ordered) == (1, 4, True)
    assert (_list(schema, "/a:k").max_elements, _list(schema, "/a:k").user_ordered) == (None, False)
    assert (_list(schema, "/a:s").keys, _list(schema, "/a:s").config) == ((), False)
    assert (_leaf(schema, "/a:s/y").config, _leaf(schema, "/a:s/y").units) == (False, "seconds")
    anydata, anyxml = schema.find("/a:d"), schema.find("/a:m")
    assert isinstance(anydata, Any_)
    assert isinstance(anyxml, Any_)
    assert (anydata.mandatory, anyxml.mandatory) == (True, False)
    assert _leaf(schema, "/a:f").mandatory


def test_names_paths_and_look_ups(compiled: Compile) -> None:
    schema = compiled(
        a="container top { leaf x { type int8; } }",
        b="import a { prefix aa; } augment /aa:top { container more { leaf x { type int8; } } }",
    )
    top, more = _container(schema, "/a:top"), _container(schema, "/a:top/b:more")
    assert [more.path, more.children[0].path] == ["/a:top/b:more", "/a:top/b:more/x"]
    assert (more.tag, more.qname, more.parent, more.slot) == ("{urn:test:b}more", "b:more", top, 1)
    assert top.by_tag["{urn:test:b}more"] is more
    assert (top.parent, schema.root.path) == (schema.root, "")
    assert schema.find("a:top/b:more/x") is more.child("x")
    with pytest.raises(LookupError, match="no node a:more"):
        schema.find("/a:top/more")


def test_keys_come_first_in_key_order(compiled: Compile) -> None:
    schema = compiled(
        a="""list k { key "z y"; unique "w in/v"; unique u;
               leaf w { type int8; } leaf y { type int8; default 3; } leaf z { type int8; mandatory true; }
               container in { leaf q { type int8; } choice c { case d { leaf v { type int8; } } } }
               choice e { leaf u { type int8; } } }"""
        .replace("in/v", "in/c/d/v").replace("unique u", "unique e/u/u")
    )  # fmt: skip
    node = _list(schema, "/a:k")
    assert [key.name for key in node.keys] == ["z", "y"]
    assert [child.name for child in node.children] == ["z", "y", "w", "in", "u"]
    assert [child.slot for child in node.children] == [0, 1, 2, 3, 4]
    assert all(key.is_key and key.default is None for key in node.keys)
    assert node.unique == (((2,), (3, 1)), ((4,),))
    assert node.unique_text == ("w in/c/d/v", "e/u/u")


def test_unique_is_dropped_when_a_feature_removes_one_of_its_leafs(compiled: Compile) -> None:
    text = """feature f; list k { key x; unique 'y z'; leaf x { type int8; } leaf y { type int8; }
              leaf z { if-feature f; type int8; } }"""
    assert len(_list(compiled(a=text), "/a:k").unique) == 1
    assert _list(compiled(a=text, features={"a": []}), "/a:k").unique == ()


def test_a_key_that_a_feature_removes_is_refused(compiled: Compile) -> None:
    text = "feature f; grouping g { leaf x { type int8; } } list k { key x; uses g { if-feature f; } }"
    with pytest.raises(SchemaFault, match=r'a\.yang, line 2: the statement "if-feature" cannot be given for a key'):
        compiled(a=text, features={"a": []})


def test_config_false_holds_below_and_inside_choices(compiled: Compile) -> None:
    schema = compiled(
        a="""container s { config false; container t { leaf x { type int8; } } }
             choice c { config false; leaf y { type int8; } container z { leaf w { type int8; } } }"""
    )
    assert not any(schema.find(path).config for path in ("/a:s", "/a:s/t/x", "/a:y", "/a:z", "/a:z/w"))


def test_access_defaults_hold_below_and_the_stronger_wins(compiled: Compile) -> None:
    schema = compiled(
        a="""import ietf-netconf-acm { prefix nacm; }
             container w { nacm:default-deny-write; leaf x { type int8; }
               leaf y { nacm:default-deny-all; type int8; } }
             container r { nacm:default-deny-all; container i { nacm:default-deny-write; leaf z { type int8; } } }
             choice c { nacm:default-deny-write; leaf v { type int8; } }
             leaf open { type int8; }
             rpc reset { nacm:default-deny-all; input { leaf i { type int8; } } }"""
    )
    found = {path: schema.find(path).deny for path in _paths(schema)}
    assert found["/a:w"] == found["/a:w/x"] == found["/a:v"] == "write"
    assert found["/a:w/y"] == found["/a:r/i"] == found["/a:r/i/z"] == "read"
    assert found["/a:open"] is None
    reset = schema.operations["{urn:test:a}reset"]
    assert (reset.deny, reset.input.child("i").deny) == ("read", "read")


def test_a_secret_leaf_has_a_type_that_does_not_talk(compiled: Compile) -> None:
    schema = compiled(
        a="""import cryptomap-types { prefix ct; }
             leaf key { type string { length 4..8; } ct:secret; }
             leaf-list keys { type string { length 4..8; } ct:secret; } leaf open { type string; }"""
    )
    keys = schema.find("/a:keys")
    assert isinstance(keys, LeafList)
    assert (_leaf(schema, "/a:key").secret, keys.secret, _leaf(schema, "/a:open").secret) == (True, True, False)
    with pytest.raises(ValueError, match=r"^the value has 3 characters"):
        _leaf(schema, "/a:key").type.parse("abc")


def test_musts_carry_the_modules_words_and_resolved_prefixes(compiled: Compile) -> None:
    schema = compiled(
        a="""grouping g { leaf x { type int8; must "../y > 1 or /a:z" { error-message "no!"; error-app-tag "t"; } }
               leaf y { type int8; } } leaf z { type int8; }""",
        b="import a { prefix aa; } container c { must 'aa:none or x'; uses aa:g; }",
    )
    (must,) = schema.find("/b:c/x").musts
    assert (must.text, must.message, must.app_tag) == ("../y > 1 or /a:z", "no!", "t")
    assert must.expr == parse("../b:y > 1 or /a:z", {"a": "a", "b": "b"}, "never")
    (other,) = schema.find("/b:c").musts
    assert other.expr == parse("a:none or b:x", {"a": "a", "b": "b"}, "never")


def test_expressions_that_pyang_refuses(compiled: Compile) -> None:
    texts = ["*[1] = 2", "not(*) | ../../../x", "count(//*) > 0"]
    schema = compiled(a="".join(f'container c{at} {{ must "{text}"; }}' for at, text in enumerate(texts)))
    assert [child.musts[0].text for child in schema.root.children] == texts


def test_a_choice_whose_cases_are_all_off_is_gone(compiled: Compile) -> None:
    text = """feature f; choice c { mandatory true; leaf x { if-feature f; type int8; }
              choice d { leaf y { if-feature f; type int8; } } case none; }"""
    assert len(compiled(a=text).root.choices) == 1
    assert compiled(a=text, features={"a": []}).root.choices == ()


# ===== defaults =====


def test_defaults_come_from_the_leaf_or_the_nearest_typedef(compiled: Compile) -> None:
    schema = compiled(
        a="""identity i; identity j { base i; }
             typedef t { type uint8; default 0x10; } typedef tt { type t { range 1..20; } }
             typedef u { type tt; default 7; }
             leaf plain { type int8; } leaf own { type u; default 9; } leaf near { type u; } leaf far { type tt; }
             leaf must-have { type u; mandatory true; }
             leaf id { type identityref { base i; } default j; }
             leaf bits { type bits { bit x; bit y; } default "y x"; }
             list k { key x; leaf x { type u; } }"""
    )
    expected = {"own": "9", "near": "7", "far": "16", "plain": None, "must-have": None, "id": "a:j", "bits": "x y"}
    assert {name: _leaf(schema, f"/a:{name}").default for name in expected} == expected
    assert _leaf(schema, "/a:k/x").default is None


def test_a_default_keeps_the_prefixes_of_the_module_it_was_written_in(compiled: Compile) -> None:
    schema = compiled(
        a="""identity i; identity j { base i; }
             typedef t { type identityref { base i; } default j; }
             grouping g { leaf x { type identityref { base i; } default a:j; }
               leaf y { type identityref { base i; } default j; } }""",
        b="import a { prefix z; } identity j; uses z:g; leaf v { type z:t; } leaf w { type z:t; default z:j; }",
    )
    assert [_leaf(schema, f"/b:{name}").default for name in "vwxy"] == ["a:j"] * 4


def test_leaf_list_defaults(compiled: Compile) -> None:
    schema = compiled(
        a="""typedef t { type int8; default 1; }
             leaf-list own { type t; default 3; default 2; } leaf-list type { type t; }
             leaf-list none { type t; min-elements 1; }""",
        old='module old { namespace "urn:old"; prefix o; typedef t { type int8; default 1; } leaf-list l { type t; } }',
    )
    found = [schema.find(path).defaults for path in ("/a:own", "/a:type", "/a:none", "/old:l")]  # type: ignore[attr-defined]
    assert found == [("3", "2"), ("1",), (), ()]


def test_a_default_that_a_feature_makes_impossible_is_refused(compiled: Compile) -> None:
    text = """feature f; identity i; identity j { if-feature f; base i; }
              leaf x { type identityref { base i; } default j; }"""
    assert _leaf(compiled(a=text), "/a:x").default == "a:j"
    with pytest.raises(SchemaFault, match="default of /a:x: 'j' is not an identity"):
        compiled(a=text, features={"a": ()})


# ===== choices and whens =====


def test_choices_are_flattened_but_known(compiled: Compile) -> None:
    schema = compiled(
        a="""container c { leaf before { type int8; }
               choice outer { mandatory true;
                 case one { leaf a1 { type int8; }
                   choice inner { default i2; leaf i1 { type int8; } case i2 { leaf i2a { type int8; } } }
                   leaf a2 { type int8; } }
                 container two { leaf t { type int8; } } }
               leaf after { type int8; } }"""
    )
    node = _container(schema, "/a:c")
    assert [child.name for child in node.children] == ["before", "a1", "i1", "i2a", "a2", "two", "after"]
    (outer,) = node.choices
    assert (outer.name, outer.module, outer.mandatory, outer.default) == ("outer", "a", True, None)
    assert [(case.name, case.slots) for case in outer.cases] == [("one", (1, 4)), ("two", (5,))]
    (inner,) = outer.cases[0].choices
    assert (inner.default, [(case.name, case.slots) for case in inner.cases]) == ("i2", [("i1", (2,)), ("i2", (3,))])
    assert sorted(outer.cases[0].all_slots()) == [1, 2, 3, 4]


def test_whens_of_choice_case_uses_and_augment_are_seen_from_the_parent(compiled: Compile) -> None:
    schema = compiled(
        a="""leaf k { type int8; }
             grouping g { leaf u { type int8; when "k=6"; } container v { leaf deep { type int8; } } }
             container c { leaf k { type int8; }
               choice ch { when "k=1"; case ca { when "k=2"; leaf x { when "../k=3"; type int8; }
                   choice in { when "k=4"; leaf y { type int8; } } } leaf z { type int8; } }
               uses g { when "k=5"; } }""",
        b="""import a { prefix p; } augment /p:c { when "p:k=7"; leaf w { when "../p:k=8"; type int8; }
               container n { leaf m { type int8; } } choice b-ch { leaf o { type int8; } } }""",
    )
    found = {path: [(when.text, when.on_parent) for when in schema.find(path).whens] for path in _paths(schema)}
    assert found["/a:c/x"] == [("k=1", True), ("k=2", True), ("../k=3", False)]
    assert found["/a:c/y"] == [("k=1", True), ("k=2", True), ("k=4", True)]
    assert found["/a:c/z"] == [("k=1", True)]
    assert sorted(found["/a:c/u"]) == [("k=5", True), ("k=6", False)]
    assert (found["/a:c/v"], found["/a:c/v/deep"]) == ([("k=5", True)], [])
    assert sorted(found["/a:c/b:w"]) == [("../p:k=8", False), ("p:k=7", True)]
    assert (found["/a:c/b:n"], found["/a:c/b:n/m"]) == ([("p:k=7", True)], [])
    assert found["/a:c/b:o"] == [("p:k=7", True)]
    choices = {choice.name: [when.text for when in choice.whens] for choice in _container(schema, "/a:c").choices}
    assert choices == {"ch": ["k=1"], "b-ch": ["p:k=7"]}
    inner = _container(schema, "/a:c").choices[0].cases[0].choices[0]
    assert [when.text for when in inner.whens] == ["k=1", "k=2", "k=4"]
    assert schema.find("/a:c/b:w").whens[0].expr == parse("a:k = 7", {"a": "a"}, None)


def test_augmenting_a_choice_adds_cases(compiled: Compile) -> None:
    schema = compiled(
        a="container c { choice ch { leaf x { type int8; } } }",
        b="""import a { prefix a; }
             augment /a:c/a:ch { when "a:x"; leaf y { type int8; }
               case two { leaf z { type int8; } leaf w { type int8; } } }
             augment /a:c/a:ch/a:x { leaf v { type int8; } }""",
    )
    (choice,) = _container(schema, "/a:c").choices
    names = {
        case.name: [_container(schema, "/a:c").children[slot].name for slot in case.slots] for case in choice.cases
    }
    assert names == {"x": ["x", "v"], "y": ["y"], "two": ["z", "w"]}
    assert [when.text for when in schema.find("/a:c/b:z").whens] == ["a:x"]
    assert [when.text for when in schema.find("/a:c/b:y").whens] == ["a:x"]


# ===== uses, refine, augment, submodules =====


def test_refine(compiled: Compile) -> None:
    schema = compiled(
        a="""import cryptomap-types { prefix ct; } feature f;
             grouping g { container c { leaf x { type int8; must "1"; } leaf s { type int8; } leaf gone { type int8; }
                 choice ch { leaf m { type int8; } leaf n { type int8; } } }
               leaf-list l { type int8; } list k { key i; leaf i { type int8; } } leaf state { type int8; }
               leaf pw { type string; } }
             uses g { refine c { presence "now"; description "mine"; } refine c/x { default 5; must "2"; }
               refine c/s { mandatory true; } refine c/gone { if-feature f; } refine c/ch { default n; }
               refine l { min-elements 1; max-elements 3; } refine k { max-elements 9; } refine state { config false; }
               refine pw { ct:secret; } }
             container again { uses g; }""",
        features={"a": []},
    )
    assert (_container(schema, "/a:c").presence, schema.find("/a:c").description) == (True, "mine")
    assert _leaf(schema, "/a:c/x").default == "5"
    assert [must.text for must in schema.find("/a:c/x").musts] == ["1", "2"]
    assert _leaf(schema, "/a:c/s").mandatory
    assert "a:gone" not in _container(schema, "/a:c").by_qname
    assert _container(schema, "/a:c").choices[0].default == "n"
    assert (schema.find("/a:l").min_elements, schema.find("/a:l").max_elements) == (1, 3)  # type: ignore[attr-defined]
    assert _list(schema, "/a:k").max_elements == 9
    assert (schema.find("/a:state").config, _leaf(schema, "/a:pw").secret) == (False, True)
    untouched = _container(schema, "/a:again/c")
    assert (untouched.presence, "a:gone" in untouched.by_qname, untouched.choices[0].default) == (False, True, None)
    assert (_leaf(schema, "/a:again/c/x").default, _leaf(schema, "/a:again/pw").secret) == (None, False)


def test_uses_inside_uses_and_augment_inside_uses(compiled: Compile) -> None:
    schema = compiled(
        a="""grouping inner { container c { leaf x { type int8; } } }
             grouping outer { uses inner { when "k"; augment c { when "x"; leaf y { type int8; } } } }""",
        b="import a { prefix a; } leaf k { type int8; } uses a:outer; container d { uses a:outer; }",
    )
    assert _paths(schema) == ["/b:k", "/b:c", "/b:c/x", "/b:c/y", "/b:d", "/b:d/c", "/b:d/c/x", "/b:d/c/y"]
    (when,) = schema.find("/b:d/c/y").whens
    assert (when.on_parent, when.expr) == (True, parse("b:x", {"b": "b"}, None))
    (when,) = schema.find("/b:d/c").whens
    assert (when.on_parent, when.expr) == (True, parse("b:k", {"b": "b"}, None))


SUBMODULES = {
    "main": """module main { yang-version 1.1; namespace "urn:main"; prefix m; include part; include other;
       revision 2026-01-01; container top { uses sub-group; }
       leaf kind { type identityref { base sub-base; } default sub-one; } }""",
    "part": """submodule part { yang-version 1.1; belongs-to main { prefix pp; } revision 2025-02-02;
       identity sub-base; identity sub-one { base pp:sub-base; } feature sub-feature;
       grouping sub-group { leaf g { type pp:sub-type; must "../pp:g > 0"; } }
       typedef sub-type { type int8; default 4; }
       container from-part { leaf ref { type leafref { path "/pp:from-part/pp:x"; } }
         leaf x { if-feature sub-feature; type int8; } } }""",
    "other": """submodule other { yang-version 1.1; belongs-to main { prefix oo; } include part;
       augment /oo:from-part { leaf y { type int8; } } }""",
}


def test_submodules_are_part_of_their_module(compiled: Compile) -> None:
    schema = compiled(**SUBMODULES)
    assert set(_paths(schema)) == {
        "/main:top", "/main:top/g", "/main:kind", "/main:from-part", "/main:from-part/ref", "/main:from-part/x",
        "/main:from-part/y",
    }  # fmt: skip
    assert (_leaf(schema, "/main:kind").default, _leaf(schema, "/main:top/g").default) == ("main:sub-one", "4")
    assert schema.find("/main:from-part").tag == "{urn:main}from-part"
    assert schema.find("/main:top/g").musts[0].expr == parse("../m:g > 0", {"m": "main"}, None)
    main, part = schema.modules["main"], schema.modules["part"]
    assert (main.submodules, main.features) == ((("other", ""), ("part", "2025-02-02")), ("sub-feature",))
    assert (part.belongs_to, part.namespace, part.revision, part.prefix) == ("main", "urn:main", "2025-02-02", "pp")
    assert schema.prefix_of_module == {"main": "m"}
    assert schema.module_of_namespace["urn:main"] == "main"


def test_submodule_without_its_feature(compiled: Compile) -> None:
    part = SUBMODULES["part"].replace('leaf ref { type leafref { path "/pp:from-part/pp:x"; } }', "")
    texts = SUBMODULES | {"part": part}
    assert "/main:from-part/x" not in _paths(compiled(**texts, features={"main": []}))


def test_submodules_may_use_the_same_prefix_for_different_modules(compiled: Compile) -> None:
    types = {name: f"identity base; identity {name}-id {{ base base; }}" for name in ("x", "y")}
    schema = compiled(
        main="""module main { yang-version 1.1; namespace "urn:main"; prefix m; include part; import x { prefix p; }
                leaf l { type identityref { base p:base; } default p:x-id; } leaf r { type string; } }""",
        part="""submodule part { yang-version 1.1; belongs-to main { prefix me; } import y { prefix p; }
                import ietf-netconf-acm { prefix m; }
                leaf s { m:default-deny-all; type identityref { base p:base; } default p:y-id;
                  must "/me:r != 'p:y-id'"; }
                augment /me:top { leaf deep { type leafref { path "/me:top/me:in"; } } }
                container top { leaf in { type string { pattern "p:.*"; } } } }""",
        **types,
    )
    assert (_leaf(schema, "/main:l").default, _leaf(schema, "/main:s").default) == ("x:x-id", "y:y-id")
    assert schema.find("/main:s").deny == "read"
    assert schema.find("/main:s").musts[0].expr == parse("/m:r != 'p-2:y-id'", {"m": "main", "p-2": "y"}, "main")
    assert _leaf(schema, "/main:top/deep").type.parse("p:q") == "p:q"


def test_submodules_of_each_other_need_no_include(compiled: Compile) -> None:
    schema = compiled(
        main="""module main { yang-version 1.1; namespace "urn:main"; prefix m; include one; include two;
                container top; }""",
        one="""submodule one { yang-version 1.1; belongs-to main { prefix m; } grouping g { leaf x { type t; } }
               augment /m:top { uses h; } }""",
        two="""submodule two { yang-version 1.1; belongs-to main { prefix m; } typedef t { type int8; }
               grouping h { leaf y { type m:t; } } uses g; }""",
    )
    assert _paths(schema) == ["/main:top", "/main:top/y", "/main:x"]


@pytest.mark.parametrize(
    ("part", "why"),
    [
        ("module part { namespace 'urn:p'; prefix p; }", "main.yang, line 1: part is not a submodule of main"),
        ("submodule part { belongs-to other { prefix p; } }", "part is not a submodule of main"),
        (
            "submodule part { yang-version 1.1; belongs-to main { prefix p; } }",
            "main has YANG version 1, its submodule part 1.1",
        ),
    ],
)
def test_a_wrong_submodule_is_refused(compiled: Compile, part: str, why: str) -> None:
    with pytest.raises(SchemaFault, match=why):
        compiled(main='module main { namespace "urn:main"; prefix m; include part; }', part=part)


# ===== deviations =====


def test_deviations(compiled: Compile) -> None:
    schema = compiled(
        a="""container c { leaf gone { type int8; } leaf typed { type string; must "1"; units m; default "x"; }
               leaf state { type int8; } container sub { leaf q { type int8; } leaf-list l { type int8; } } }
             list k { key x; leaf x { type int8; } leaf y { type int8; } }""",
        d="""import a { prefix a; } identity i; identity j { base i; }
             deviation /a:c/a:gone { deviate not-supported; }
             deviation /a:c/a:typed { deviate delete { must "1"; units m; default "x"; }
               deviate replace { type identityref { base i; } } }
             deviation /a:c/a:state { deviate replace { config false; } deviate add { must "../a:typed"; default 3; } }
             deviation /a:c/a:sub { deviate replace { config false; } }
             deviation /a:c/a:sub/a:l { deviate add { min-elements 2; max-elements 5; } }
             deviation /a:k { deviate add { unique y; max-elements 7; } }""",
    )
    assert "/a:c/gone" not in _paths(schema)
    typed = _leaf(schema, "/a:c/typed")
    assert (typed.musts, typed.units, typed.default) == ((), None, None)
    assert typed.type.values == {"d:j"}  # type: ignore[attr-defined]
    state = _leaf(schema, "/a:c/state")
    assert (state.config, state.default, len(state.musts)) == (False, "3", 1)
    assert (schema.find("/a:c/sub").config, schema.find("/a:c/sub/q").config) == (False, False)
    assert schema.find("/a:c/sub/l").min_elements == 2  # type: ignore[attr-defined]
    assert (_list(schema, "/a:k").unique, _list(schema, "/a:k").max_elements) == ((((1,),),), 7)
    assert (schema.modules["a"].deviations, schema.modules["d"].deviations) == (("d",), ())


# ===== operations and notifications =====


def test_operations_and_notifications(compiled: Compile) -> None:
    schema = compiled(
        a="""list k { key n; leaf n { type int8; }
               action reset { description "again"; input { must "x"; leaf x { type int8; mandatory true; } }
                 output { choice c { leaf ok { type empty; } leaf bad { type string; } } } }
               notification woke { leaf at { type string; } } }
             rpc none; notification gone { must "n"; leaf n { type int8; } }"""
    )
    entry = _list(schema, "/a:k")
    assert [child.name for child in entry.children] == ["n"]
    reset = entry.operations["{urn:test:a}reset"]
    assert (reset.path, reset.parent, reset.children, reset.description) == ("/a:k/reset", entry, (), "again")
    assert (reset.input.path, reset.input.tag, reset.input.parent) == ("/a:k/reset/input", "{urn:test:a}input", reset)
    assert (reset.input.children[0].path, reset.input.config) == ("/a:k/reset/input/x", False)
    assert len(reset.input.musts) == 1
    assert [case.name for case in reset.output.choices[0].cases] == ["ok", "bad"]
    woke = entry.notifications["{urn:test:a}woke"]
    assert (woke.path, woke.children[0].config) == ("/a:k/woke", False)
    none = schema.operations["{urn:test:a}none"]
    assert (none.path, none.input.children, none.output.children) == ("/a:none", (), ())
    assert len(schema.notifications["{urn:test:a}gone"].musts) == 1
    assert (schema.root.operations, schema.root.notifications) == ({}, {})


def test_augments_of_operations(compiled: Compile) -> None:
    schema = compiled(
        a="rpc r { input { leaf x { type int8; } } } notification n { leaf y { type int8; } }",
        b="""import a { prefix a; } augment /a:r/a:input { leaf z { type int8; } }
             augment /a:r/a:output { leaf o { type int8; } }
             augment /a:n { when "a:y"; leaf w { type int8; } }""",
    )
    operation = schema.operations["{urn:test:a}r"]
    assert [child.path for child in operation.input.children] == ["/a:r/input/x", "/a:r/input/b:z"]
    assert [child.qname for child in operation.output.children] == ["b:o"]
    (_, added) = schema.notifications["{urn:test:a}n"].children
    assert [when.on_parent for when in added.whens] == [True]


def test_every_node_knows_its_place(compiled: Compile) -> None:
    schema = compiled(names=("ietf-routing", "ietf-system", "ietf-key-chain", "ietf-snmp", "ietf-netconf-acm"))

    def check(node: DataNode) -> None:
        assert node.parent is not None
        assert node.parent.children[node.slot] is node
        assert node.parent.by_tag[node.tag] is node
        assert schema.find(node.path) is node

    schema.walk(check)
    assert len(_paths(schema)) > 300
