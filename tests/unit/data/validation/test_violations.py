"""Each kind of violation: error-tag, error-app-tag, error-path (RFC 7950 section 15), checked by the commit that
causes it and, because each case starts from a valid configuration, incrementally."""

from __future__ import annotations

import pytest

from cryptomap.schema.nodes import Schema
from support.box import Box
from support.yang import module, schema_of

YARD = module(
    "yard",
    """
  container yard {
    list dock {
      key name; unique "crane/serial"; max-elements 3;
      leaf name { type string; }
      container crane { leaf serial { type string; } leaf load { type uint16; default 10; } }
      leaf depth { type uint8; must ". >= ../crane/load" { error-message "too shallow"; error-app-tag "shallow"; } }
    }
    list ship {
      key name;
      leaf name { type string; }
      leaf at { type leafref { path "../../dock/name"; } must "not(deref(.)/../crane/load >= 50)"; }
      leaf kind { type enumeration { enum cargo; enum liner; } default cargo; }
      leaf tons { when "../kind = 'cargo'"; type uint32; }
      leaf guests { when "../kind = 'liner'"; type uint32; mandatory true; }
      leaf-list crew { type string; max-elements 2; }
      choice power { mandatory true; leaf sail { type empty; } leaf motor { type string; } }
    }
    container office { presence "staffed"; leaf boss { type string; mandatory true; } }
    leaf flagship { type leafref { path "../ship/name"; require-instance true; } }
    leaf wish { type leafref { path "../ship/name"; require-instance false; } }
    leaf-list rumour { type union { type leafref { path "../ship/name"; } type enumeration { enum none; } } }
  }
""",
)
NS = "urn:yard"
Y = "/yard:yard"


@pytest.fixture(scope="module")
def schema() -> Schema:
    return schema_of(YARD)


@pytest.fixture
def box(schema: Schema) -> Box:
    box = Box(schema, NS)
    box.edit("""
      <yard>
        <dock><name>east</name><crane><serial>c1</serial></crane><depth>12</depth></dock>
        <dock><name>west</name><crane><serial>c2</serial><load>20</load></crane></dock>
        <ship><name>ada</name><at>east</at><tons>5</tons><sail/></ship>
        <ship><name>bea</name><at>east</at><motor>d</motor></ship>
        <flagship>ada</flagship>
      </yard>""")
    assert box.commit() == []
    return box


CASES = {
    "a dangling leafref": (
        "<yard><ship><name>ada</name><at>north</at></ship></yard>",
        [("data-missing", "instance-required", f"{Y}/yard:ship[yard:name='ada']/yard:at")],
    ),
    "deleting what others refer to names each of them": (
        '<yard><dock nc:operation="delete"><name>east</name></dock></yard>',
        [
            ("data-missing", "instance-required", f"{Y}/yard:ship[yard:name='ada']/yard:at"),
            ("data-missing", "instance-required", f"{Y}/yard:ship[yard:name='bea']/yard:at"),
        ],
    ),
    "a must with the module's own message and app-tag": (
        "<yard><dock><name>east</name><depth>9</depth></dock></yard>",
        [("operation-failed", "shallow", f"{Y}/yard:dock[yard:name='east']/yard:depth")],
    ),
    "a must broken from its other side": (
        "<yard><dock><name>east</name><crane><load>13</load></crane></dock></yard>",
        [("operation-failed", "shallow", f"{Y}/yard:dock[yard:name='east']/yard:depth")],
    ),
    "a must broken through a reference": (
        "<yard><dock><name>east</name><crane><load>60</load></crane><depth>60</depth></dock></yard>",
        [
            ("operation-failed", "must-violation", f"{Y}/yard:ship[yard:name='ada']/yard:at"),
            ("operation-failed", "must-violation", f"{Y}/yard:ship[yard:name='bea']/yard:at"),
        ],
    ),
    "a default that comes back into use breaks a must": (
        '<yard><dock><name>west</name><crane><load nc:operation="delete"/></crane><depth>9</depth></dock></yard>',
        [("operation-failed", "shallow", f"{Y}/yard:dock[yard:name='west']/yard:depth")],
    ),
    "unique": (
        "<yard><dock><name>west</name><crane><serial>c1</serial></crane></dock></yard>",
        [("operation-failed", "data-not-unique", f"{Y}/yard:dock[yard:name='east']")],
    ),
    "too many entries": (
        "<yard><dock><name>a</name></dock><dock><name>b</name></dock></yard>",
        [("operation-failed", "too-many-elements", f"{Y}/yard:dock")],
    ),
    "too many values": (
        "<yard><ship><name>ada</name><crew>a</crew><crew>b</crew><crew>c</crew></ship></yard>",
        [("operation-failed", "too-many-elements", f"{Y}/yard:ship[yard:name='ada']/yard:crew")],
    ),
    "a mandatory leaf": (
        "<yard><office/></yard>",
        [("data-missing", None, f"{Y}/yard:office/yard:boss")],
    ),
    "a mandatory choice": (
        '<yard><ship><name>bea</name><motor nc:operation="delete"/></ship></yard>',
        [("data-missing", "missing-choice", f"{Y}/yard:ship[yard:name='bea']")],
    ),
    "a mandatory leaf that a when has switched on": (
        "<yard><ship><name>bea</name><kind>liner</kind></ship></yard>",
        [("data-missing", None, f"{Y}/yard:ship[yard:name='bea']/yard:guests")],
    ),
    "a node created under a false when": (
        "<yard><ship><name>ada</name><guests>3</guests></ship></yard>",
        [("unknown-element", None, f"{Y}/yard:ship[yard:name='ada']/yard:guests")],
    ),
    "a union whose value fits only its leafref": (
        "<yard><rumour>zoe</rumour></yard>",
        [("data-missing", "instance-required", f"{Y}/yard:rumour[.='zoe']")],
    ),
    "several at once, all of them": (
        "<yard><office/><flagship>zoe</flagship><ship><name>zed</name><at>nowhere</at></ship></yard>",
        [
            ("data-missing", "instance-required", f"{Y}/yard:flagship"),
            ("data-missing", None, f"{Y}/yard:office/yard:boss"),
            ("data-missing", "missing-choice", f"{Y}/yard:ship[yard:name='zed']"),
            ("data-missing", "instance-required", f"{Y}/yard:ship[yard:name='zed']/yard:at"),
        ],
    ),
}


@pytest.mark.parametrize(("edit", "wanted"), CASES.values(), ids=CASES)
def test_violation(box: Box, edit: str, wanted: list[tuple[str, str | None, str]]) -> None:
    assert sorted(box.change(edit), key=str) == sorted(wanted, key=str)


FINE = {
    "a rename of both ends in one commit": """<yard>
        <dock nc:operation="delete"><name>east</name></dock>
        <dock><name>north</name><crane><serial>c1</serial></crane></dock>
        <ship><name>ada</name><at>north</at></ship><ship><name>bea</name><at>north</at></ship></yard>""",
    "unique values swapped": """<yard><dock><name>east</name><crane><serial>c2</serial></crane></dock>
        <dock><name>west</name><crane><serial>c1</serial></crane></dock></yard>""",
    "a reference that need not exist": "<yard><wish>zoe</wish></yard>",
    "a union whose value fits another member": "<yard><rumour>none</rumour><rumour>ada</rumour></yard>",
    "the other case of a mandatory choice": "<yard><ship><name>ada</name><motor>x</motor></ship></yard>",
}


@pytest.mark.parametrize("edit", FINE.values(), ids=FINE)
def test_no_violation(box: Box, edit: str) -> None:
    assert box.change(edit) == []


def test_a_when_that_turns_false_deletes_what_it_guards(box: Box, schema: Schema) -> None:
    assert box.change("<yard><ship><name>ada</name><kind>liner</kind><guests>7</guests></ship></yard>") == []
    ship = box.running.root.node("yard:yard").entries("ship").get("ada")  # type: ignore[union-attr]
    assert ship is not None
    assert (ship.text("tons"), ship.text("guests")) == (None, "7")


def test_who_refers_to_a_value(box: Box, schema: Schema) -> None:
    at = schema.find("/yard:yard/ship/at")
    referrers = box.running.referrers(at, "east")  # type: ignore[arg-type]
    assert [path[1][1] for path in referrers] == ["ada", "bea"]
    assert box.change("<yard><ship><name>ada</name><at>west</at></ship></yard>") == []
    assert [path[1][1] for path in box.running.referrers(at, "east")] == ["bea"]  # type: ignore[arg-type]


def test_validating_nothing_costs_nothing(box: Box) -> None:
    before = box.running
    assert box.commit() == []
    assert box.running is before
