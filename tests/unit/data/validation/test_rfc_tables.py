"""The errors that RFC 7950 section 15 and RFC 6241 appendix A prescribe, row by row: error-tag, error-app-tag,
error-path and error-info of what a data engine has to report. Locks, sessions and access control are elsewhere."""

from __future__ import annotations

import pytest

from cryptomap.errors import ErrorPath, RpcErrors
from cryptomap.schema.nodes import Schema
from support.box import Box
from support.yang import module, schema_of

DEPOT = module(
    "depot",
    """
  container depot {
    list bay {
      key "row number"; unique "plate"; unique "truck/maker truck/serial"; max-elements 3;
      leaf row { type string { pattern "[a-z]" { error-message "a letter"; error-app-tag "one-letter"; } } }
      leaf number { type uint8 { range "1..9" { error-app-tag "one-digit"; } } }
      leaf plate { type string { length "1..8"; } }
      container truck { leaf maker { type string; default acme; } leaf serial { type string; } }
      leaf load {
        type uint16;
        must ". <= 100" { error-message "too heavy"; error-app-tag "weight-limit"; }
        must ". != 13";
      }
    }
    leaf-list gate { type string; max-elements 2; ordered-by user; }
    leaf-list guard { type string; min-elements 1; }
    list shift {
      key name; min-elements 1; ordered-by user;
      leaf name { type string; }
      leaf boss { type string; mandatory true; }
    }
    leaf first { type leafref { path "../bay/row"; } }
    leaf spot { type instance-identifier; }
    leaf-list watch { type leafref { path "../shift/name"; } }
    choice power {
      mandatory true;
      leaf diesel { type empty; }
      case electric { leaf volts { type uint16; } leaf amps { type uint16; } }
    }
    leaf night { type boolean; default false; }
    leaf lamp { when "../night = 'true'"; type string; }
    leaf seen { config false; type string; }
  }
""",
    prefix="d",
)
START = "<guard>g</guard><shift><name>day</name><boss>b</boss></shift><diesel/>"
D = "/d:depot"
YANG = "{urn:ietf:params:xml:ns:yang:1}"
Row = tuple[str, str, str | None, str, list[tuple[str, str]]]


@pytest.fixture(scope="module")
def schema() -> Schema:
    return schema_of(DEPOT)


@pytest.fixture
def box(schema: Schema) -> Box:
    box = Box(schema, "urn:depot")
    box.edit(f"<depot>{START}</depot>")
    assert box.commit() == []
    return box


def bay(row: str, number: int, inner: str = "") -> str:
    return f"<bay><row>{row}</row><number>{number}</number>{inner}</bay>"


def at_bay(row: str, number: int) -> str:
    return f"{D}/d:bay[d:row='{row}'][d:number='{number}']"


def answer(box: Box, edit: str) -> list[Row]:
    """What an edit and the commit after it are answered with, without the words."""
    try:
        box.edit(f'<depot xmlns:d="urn:depot" xmlns:yang="{YANG[1:-1]}">{edit}</depot>')
        errors = box.commit()
    except RpcErrors as refusal:
        errors = list(refusal.errors)
    return [(e.tag, e.severity, e.app_tag, str(e.path), [(n, str(t)) for n, t in e.info]) for e in errors]


def one(tag: str, app_tag: str | None, path: str, *info: tuple[str, str]) -> list[Row]:
    return [(tag, "error", app_tag, path, list(info))]


RFC_7950_15 = {
    "15.1 a leaf that must be unique": (
        bay("a", 1, "<plate>x</plate>") + bay("b", 1, "<plate>x</plate>"),
        one(
            "operation-failed", "data-not-unique", at_bay("a", 1),
            (f"{YANG}non-unique", at_bay("a", 1) + "/d:plate"), (f"{YANG}non-unique", at_bay("b", 1) + "/d:plate"),
        ),
    ),
    "15.1 two leafs that must be unique together, one of them by default": (
        bay("a", 1, "<truck><serial>7</serial></truck>")
        + bay("a", 2, "<truck><maker>acme</maker><serial>7</serial></truck>"),
        one(
            "operation-failed", "data-not-unique", at_bay("a", 1),
            (f"{YANG}non-unique", at_bay("a", 1) + "/d:truck/d:maker"),
            (f"{YANG}non-unique", at_bay("a", 1) + "/d:truck/d:serial"),
            (f"{YANG}non-unique", at_bay("a", 2) + "/d:truck/d:maker"),
            (f"{YANG}non-unique", at_bay("a", 2) + "/d:truck/d:serial"),
        ),
    ),
    "15.2 too many entries": (
        bay("a", 1) + bay("b", 1) + bay("c", 1) + bay("d", 1),
        one("operation-failed", "too-many-elements", f"{D}/d:bay"),
    ),
    "15.2 too many values": (
        "<gate>a</gate><gate>b</gate><gate>c</gate>",
        one("operation-failed", "too-many-elements", f"{D}/d:gate"),
    ),
    "15.3 too few entries": (
        '<shift nc:operation="delete"><name>day</name></shift>',
        one("operation-failed", "too-few-elements", f"{D}/d:shift"),
    ),
    "15.3 too few values": (
        '<guard nc:operation="delete">g</guard>',
        one("operation-failed", "too-few-elements", f"{D}/d:guard"),
    ),
    "15.4 a must": (
        bay("a", 1, "<load>13</load>"),
        one("operation-failed", "must-violation", at_bay("a", 1) + "/d:load"),
    ),
    "15.4 a must with its own error-app-tag": (
        bay("a", 1, "<load>101</load>"),
        one("operation-failed", "weight-limit", at_bay("a", 1) + "/d:load"),
    ),
    "15.5 a leafref": ("<first>q</first>", one("data-missing", "instance-required", f"{D}/d:first")),
    "15.5 a value of a leaf-list of leafrefs": (
        "<watch>day</watch><watch>night</watch>",
        one("data-missing", "instance-required", f"{D}/d:watch[.='night']"),
    ),
    "15.5 an instance-identifier": (
        "<spot>/d:depot/d:lamp</spot>",
        one("data-missing", "instance-required", f"{D}/d:spot"),
    ),
    "15.6 a mandatory choice": (
        '<diesel nc:operation="delete"/>',
        one("data-missing", "missing-choice", D, (f"{YANG}missing-choice", "power")),
    ),
    "15.7 an entry to insert at that is not there": (
        '<shift yang:insert="before" yang:key="[d:name=\'late\']"><name>night</name><boss>b</boss></shift>',
        one(
            "bad-attribute", "missing-instance", f"{D}/d:shift[d:name='night']",
            ("bad-attribute", "key"), ("bad-element", "shift"),
        ),
    ),
    "15.7 a value to insert at that is not there": (
        '<gate yang:insert="after" yang:value="z">a</gate>',
        one(
            "bad-attribute", "missing-instance", f"{D}/d:gate[.='a']",
            ("bad-attribute", "value"), ("bad-element", "gate"),
        ),
    ),
}  # fmt: skip

RFC_7950_8_3 = {
    "a value of the wrong type": (
        "<night>perhaps</night>",
        one("invalid-value", None, f"{D}/d:night", ("bad-element", "night")),
    ),
    "a range with its own error-app-tag": (
        bay("a", 10),
        one("invalid-value", "one-digit", at_bay("a", 10) + "/d:number", ("bad-element", "number")),
    ),
    "a pattern with its own error-app-tag": (
        bay("A", 1),
        one("invalid-value", "one-letter", at_bay("A", 1) + "/d:row", ("bad-element", "row")),
    ),
    "a key that is missing": (
        "<bay><row>a</row></bay>",
        one("missing-element", None, f"{D}/d:bay", ("bad-element", "number")),
    ),
    "a node under a false when": (
        "<lamp>x</lamp>",
        one("unknown-element", None, f"{D}/d:lamp", ("bad-element", "lamp")),
    ),
    "data of two cases": (
        "<diesel/><volts>3</volts>",
        one("bad-element", None, f"{D}/d:volts", ("bad-element", "volts")),
    ),
    "a mandatory leaf": (
        "<shift><name>late</name></shift>",
        one("data-missing", None, f"{D}/d:shift[d:name='late']/d:boss", ("bad-element", "boss")),
    ),
}

RFC_6241_A = {
    "missing-attribute": (
        '<gate yang:insert="after">a</gate>',
        one("missing-attribute", None, f"{D}/d:gate[.='a']", ("bad-attribute", "value"), ("bad-element", "gate")),
    ),
    "bad-attribute": (
        '<night nc:operation="paint">true</night>',
        one("bad-attribute", None, f"{D}/d:night", ("bad-attribute", "operation"), ("bad-element", "night")),
    ),
    "unknown-attribute": (
        '<night colour="red">true</night>',
        one("unknown-attribute", None, f"{D}/d:night", ("bad-attribute", "colour"), ("bad-element", "night")),
    ),
    "bad-element": (
        "<night>true</night><night>false</night>",
        one("bad-element", None, f"{D}/d:night", ("bad-element", "night")),
    ),
    "unknown-element": ("<colour>red</colour>", one("unknown-element", None, D, ("bad-element", "colour"))),
    "unknown-element: state data": (
        "<seen>x</seen>",
        one("unknown-element", None, f"{D}/d:seen", ("bad-element", "seen")),
    ),
    "unknown-namespace": (
        '<night xmlns="urn:other">true</night>',
        one("unknown-namespace", None, D, ("bad-element", "night"), ("bad-namespace", "urn:other")),
    ),
    "data-exists": (
        '<shift nc:operation="create"><name>day</name><boss>c</boss></shift>',
        one("data-exists", None, f"{D}/d:shift[d:name='day']"),
    ),
    "data-missing": ('<night nc:operation="delete"/>', one("data-missing", None, f"{D}/d:night")),
}

TABLES = {**RFC_7950_15, **RFC_7950_8_3, **RFC_6241_A}


@pytest.mark.parametrize(("edit", "wanted"), TABLES.values(), ids=TABLES)
def test_each_fault_has_its_error(box: Box, edit: str, wanted: list[Row]) -> None:
    assert answer(box, edit) == wanted


def test_what_is_named_in_error_info_brings_its_prefixes(box: Box) -> None:
    box.edit(f"<depot>{bay('a', 1, '<plate>x</plate>')}{bay('b', 1, '<plate>x</plate>')}</depot>")
    [error] = box.commit()
    named = [text for _, text in error.info]
    assert [isinstance(text, ErrorPath) and text.namespaces for text in named] == [{"d": "urn:depot"}] * 2


def test_user_need_3_all_faults_of_a_commit_are_named(box: Box) -> None:
    found = answer(box, bay("a", 1, "<load>13</load>") + "<first>q</first>" + '<guard nc:operation="delete">g</guard>')
    assert [row[2] for row in found] == ["must-violation", "instance-required", "too-few-elements"]
