"""Cases that the engine, or an early version of it, got wrong. Each is the smallest found: a module, a valid
configuration, an edit, and the violations of the commit. A full validation has to say the same."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from support.box import Box, full_verdict
from support.yang import module, schema_of


@dataclass(frozen=True)
class Case:
    body: str
    start: str
    edit: str
    wanted: tuple[str, ...] = ()  # "error-tag error-app-tag error-path"


CASES = {
    "an empty configuration is no valid base: what it lacks is missed by an edit of something else": Case(
        "container a { leaf x { type string; } } container b { leaf y { type string; mandatory true; } }",
        "",
        "<a><x>1</x></a>",
        ("data-missing None /t:b/t:y",),
    ),
    "a default joins as well as a value that is set": Case(
        """list city { key name; leaf name { type string; } leaf size { type uint8; } }
        list road { key id; leaf id { type string; } leaf to { type string; default a; }
          leaf wide { type string; must "/city[name = current()/../to]/size > 1"; } }""",
        "<city><name>a</name><size>2</size></city><road><id>1</id><wide>x</wide></road>",
        "<city><name>a</name><size>1</size></city>",
        ("operation-failed must-violation /t:road[t:id='1']/t:wide",),
    ),
    "a join with a leaf outside of the list that both sides are in": Case(
        """leaf centre { type string; }
        list region { key name; leaf name { type string; }
          list city { key name; leaf name { type string; } leaf size { type uint8; } }
          leaf proud { type string; must "../city[name = /centre]/size > 1"; } }""",
        "<centre>a</centre><region><name>r</name><city><name>a</name><size>2</size></city><proud>x</proud></region>",
        "<region><name>r</name><city><name>a</name><size>1</size></city></region>",
        ("operation-failed must-violation /t:region[t:name='r']/t:proud",),
    ),
    "a join after a predicate that counts": Case(
        """list city { key name; leaf name { type string; } }
        leaf second { type string; must "/city[2][name = current()]"; }""",
        "<city><name>b</name></city><city><name>c</name></city><second>c</second>",
        "<city><name>a</name></city>",
        ("operation-failed must-violation /t:second",),
    ),
    "a join with a leaf that is no key looks at its old value too": Case(
        """list city { key name; leaf name { type string; } leaf size { type uint8; } }
        leaf of { type string; must "count(/city[name = current()]) = 1 or /city[size = current()]"; }""",
        "<city><name>a</name><size>3</size></city><of>3</of>",
        "<city><name>a</name><size>4</size></city>",
        ("operation-failed must-violation /t:of",),
    ),
    "entries that change places change what comes first": Case(
        """list job { key name; ordered-by user; leaf name { type string; }
          list part { key id; leaf id { type string; } leaf mark { type string; } } }
        leaf mark { type string; must "string(/job/part/mark) = ."; }""",
        """<job><name>a</name><part><id>1</id><mark>x</mark></part></job>
        <job><name>b</name><part><id>1</id><mark>y</mark></part></job><mark>x</mark>""",
        '<job xmlns:yang="urn:ietf:params:xml:ns:yang:1" yang:insert="first"><name>b</name></job>',
        ("operation-failed must-violation /t:mark",),
    ),
    "a path that goes up again needs what it came through": Case(
        """container box { leaf lid { type string; } leaf note { type string; must "../lid/.."; } }""",
        "<box><lid>x</lid><note>y</note></box>",
        '<box><lid nc:operation="delete"/></box>',
        ("operation-failed must-violation /t:box/t:note",),
    ),
    "a node of one case brings the defaults of that case": Case(
        """container box { choice kind { case one { leaf a { type string; } leaf b { type string; default x; } }
          case two { leaf c { type string; } } } leaf note { type string; must "not(../b)"; } }""",
        "<box><note>y</note></box>",
        "<box><a>1</a></box>",
        ("operation-failed must-violation /t:box/t:note",),
    ),
    "a container of a case that is not in use does not exist": Case(
        """container box { choice kind { case one { leaf a { type string; }
          container in { leaf b { type string; default x; must "../../c"; } } }
          case two { leaf c { type string; } } } leaf note { type string; must "not(../in)"; } }""",
        "<box><c>1</c></box>",
        "<box><note>y</note></box>",
    ),
    "what is left of a deleted container is checked": Case(
        """container box { container in { leaf a { type string; default x; must ". != 'x' or ../b"; }
          leaf b { type string; } } leaf note { type string; } }""",
        "<box><in><b>1</b></in><note>y</note></box>",
        '<box><in nc:operation="delete"/></box>',
        ("operation-failed must-violation /t:box/t:in/t:a",),
    ),
    "a when far away switches a mandatory leaf on": Case(
        """leaf mode { type string; }
        container box { presence x;
          container in { leaf need { when "/mode = 'on'"; type string; mandatory true; } } }""",
        "<box/>",
        "<mode>on</mode>",
        ("data-missing None /t:box/t:in/t:need",),
    ),
    "a when far away switches a default on, which has a must of its own": Case(
        """leaf mode { type string; }
        container box { presence x; leaf in { when "/mode = 'on'"; type string; default a; must "../b"; }
          leaf b { type string; } }""",
        "<box/>",
        "<mode>on</mode>",
        ("operation-failed must-violation /t:box/t:in",),
    ),
    "a when switches a container on, and what looks at a default in it is checked": Case(
        """leaf mode { type string; }
        container box { when "/mode = 'on'"; leaf in { type string; default a; } }
        leaf note { type string; must "not(/box/in)"; }""",
        "<note>y</note>",
        "<mode>on</mode>",
        ("operation-failed must-violation /t:note",),
    ),
    "a default under a false when is nothing that another when could see": Case(
        """container box { leaf mode { type string; } leaf extra { when "../mode = 'a'"; type string; default x; } }
        container other { leaf note { when "/box/extra"; type string; } }""",
        "<box><mode>a</mode></box>",
        "<box><mode>c</mode></box><other><note>y</note></other>",
        ("unknown-element None /t:other/t:note",),
    ),
    "a union of an instance-identifier needs the instance": Case(
        "leaf either { type union { type instance-identifier; type uint8; } } leaf x { type string; }",
        "<either>3</either>",
        "<either>/t:x</either>",
        ("data-missing instance-required /t:either",),
    ),
    "a default that refers to nothing": Case(
        """list node { key name; leaf name { type string; } }
        container box { presence x; leaf home { type leafref { path "/node/name"; } default a; } }""",
        "<node><name>a</name></node><box/>",
        '<node nc:operation="delete"><name>a</name></node>',
        ("data-missing instance-required /t:box/t:home",),
    ),
    "a leafref to one of two keys": Case(
        """list node { key "name slot"; leaf name { type string; } leaf slot { type uint8; } }
        leaf at { type leafref { path "/node/slot"; } }""",
        "<node><name>a</name><slot>1</slot></node><node><name>b</name><slot>1</slot></node><at>1</at>",
        """<node nc:operation="delete"><name>a</name><slot>1</slot></node>
        <node nc:operation="delete"><name>b</name><slot>1</slot></node>""",
        ("data-missing instance-required /t:at",),
    ),
    "a leafref to a default that is in use": Case(
        """list node { key name; leaf name { type string; } leaf color { type string; default red; } }
        leaf at { type leafref { path "/node/color"; } }""",
        "<node><name>a</name></node><at>red</at>",
        "<node><name>a</name><color>blue</color></node>",
        ("data-missing instance-required /t:at",),
    ),
    "a default in a presence container that is not there is no value to be unique": Case(
        """list ware { key name; unique "bag/mark"; leaf name { type string; }
          container bag { presence x; leaf mark { type string; default c; } } }""",
        "<ware><name>a</name><bag/></ware>",
        "<ware><name>b</name></ware>",
    ),
    "a presence container brings a default that must be unique": Case(
        """list ware { key name; unique "bag/mark"; leaf name { type string; }
          container bag { presence x; leaf mark { type string; default c; } } }""",
        "<ware><name>a</name><bag/></ware><ware><name>b</name></ware>",
        "<ware><name>b</name><bag/></ware>",
        ("operation-failed data-not-unique /t:ware[t:name='a']",),
    ),
    "a default under a false when is no value to be unique": Case(
        """list ware { key name; unique "mark"; leaf name { type string; } leaf gate { type string; }
          leaf mark { when "../gate"; type string; default c; } }""",
        "<ware><name>a</name><gate>1</gate></ware>",
        "<ware><name>b</name></ware>",
    ),
    "a when switches a default on that must be unique": Case(
        """list ware { key name; unique "mark"; leaf name { type string; } leaf gate { type string; }
          leaf mark { when "../gate"; type string; default c; } }""",
        "<ware><name>a</name><gate>1</gate></ware><ware><name>b</name></ware>",
        "<ware><name>b</name><gate>1</gate></ware>",
        ("operation-failed data-not-unique /t:ware[t:name='a']",),
    ),
    "the default of a case that is not in use is no value to be unique": Case(
        """list ware { key name; unique "which/one/mark"; leaf name { type string; }
          choice which { default one; case one { leaf mark { type string; default c; } }
            case two { leaf other { type string; } } } }""",
        "<ware><name>a</name></ware>",
        "<ware><name>b</name><other>x</other></ware>",
    ),
    "no value is not a number": Case(
        """list job { key name; leaf name { type string; } leaf weight { type uint8; } }
        leaf heavy { type uint8; must "/job/weight + 0 >= ."; }""",
        "<job><name>a</name><weight>3</weight></job><heavy>0</heavy>",
        '<job nc:operation="delete"><name>a</name></job>',
        ("operation-failed must-violation /t:heavy",),
    ),
    "a when does not see the value of the node it is on": Case(
        """leaf x { when "not(. = 'a')"; type string; }""",
        "",
        "<x>a</x>",
    ),
    "a when does not see the children of the node it is on": Case(
        """container box { when "y"; leaf y { type string; } }""",
        "",
        "<box><y>a</y></box>",
        ("unknown-element None /t:box",),
    ),
    "a when of a list sees one entry, whatever there is": Case(
        """list item { when "count(../item) = 1"; key name; leaf name { type string; } }""",
        "",
        "<item><name>a</name></item><item><name>b</name></item>",
    ),
    "a when of a choice's case does not see the nodes of the case": Case(
        """container box { choice kind { case one { when "not(a)"; leaf a { type string; } leaf b { type string; } }
          leaf c { type string; } } }""",
        "",
        "<box><a>1</a><b>2</b></box>",
    ),
    "a key of type identityref is looked up whatever the prefix in the expression": Case(
        """identity base; identity red { base base; }
        list node { key kind; leaf kind { type identityref { base base; } } leaf size { type uint8; } }
        leaf at { type string; must "/node[kind = 't:red']/size = 1"; }""",
        "<node><kind>red</kind><size>1</size></node>",
        "<at>x</at>",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_commit(case: Case) -> None:
    schema = schema_of(module("t", case.body))
    box = Box(schema, "urn:t")
    box.edit(with_prefix(case.start))
    assert box.commit() == []
    box.edit(with_prefix(case.edit))
    candidate = box.candidate
    found = sorted(f"{error.tag} {error.app_tag} {error.path}" for error in box.commit())
    assert found == sorted(case.wanted)
    if found:
        assert full_verdict(schema, candidate) == tuple(found)


def with_prefix(xml: str) -> str:
    """The prefix ``t`` is bound on each top-level element: values use it."""
    return xml.replace("<either>", '<either xmlns:t="urn:t">')


ORDER = """
  leaf mode { type string; }
  leaf switch { when "/mode = 'a'"; type string; }
  leaf other { type string; }
  leaf kept { when "not(/switch) or /other = '1'"; type string; }
"""


def test_whens_are_settled_after_the_whens_they_look_at() -> None:
    """Looked at first, the when of ``kept`` would be false: ``switch`` is there still, and ``other`` is 2 already."""
    box = Box(schema_of(module("t", ORDER)), "urn:t")
    box.edit("<mode>a</mode><switch>x</switch><other>1</other><kept>y</kept>")
    assert box.commit() == []
    box.edit("<mode>b</mode><other>2</other>")
    assert box.commit() == []
    root = box.running.root
    assert (root["t:switch"], root["t:kept"]) == (None, "y")


CHAIN = """
  leaf a { type string; }
  leaf b { when "/a = '1'"; type string; }
  leaf c { when "/b"; type string; }
  list d { when "/c"; key name; leaf name { type string; } }
  leaf-list e { when "/d"; type string; }
"""


def test_a_false_when_deletes_all_that_hangs_on_it() -> None:
    box = Box(schema_of(module("t", CHAIN)), "urn:t")
    box.edit("<a>1</a><b>x</b><c>x</c><d><name>1</name></d><d><name>2</name></d><e>x</e><e>y</e>")
    assert box.commit() == []
    box.edit("<a>2</a>")
    assert box.commit() == []
    assert [value is None for value in box.running.root.slots] == [False, True, True, True, True]
    assert not list(box.running.references)


def test_a_leaf_called_name_is_named_by_its_list() -> None:
    body = """list node { key name; leaf name { type string; } }
      list user { key name; leaf name { type leafref { path "/node/name"; } }
        leaf of { type leafref { path "/node/name"; } } }"""
    box = Box(schema_of(module("t", body)), "urn:t")
    box.edit("<user><name>a</name><of>b</of></user>")
    assert sorted(error.message for error in box.commit()) == [
        "of names 'b', but there is no node with name 'b': create it, or name another",
        "user names 'a', but there is no node with name 'a': create it, or name another",
    ]
