"""Modules as text in both formats: pyang's parsers find the same statements in either."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from pyang import yang_parser, yin_parser

from cryptomap.schema.modules import default_module_names, load, load_sources
from cryptomap.schema.nodes import Module, Schema
from cryptomap.schema.reader import Reader
from cryptomap.schema.sources import Source, find_sources
from cryptomap.schema.texts import format_of, text_in

YIN = "urn:ietf:params:xml:ns:yang:yin:1"
FARM = """
module farm {
  yang-version 1.1; namespace "urn:farm"; prefix f;
  include farm-parts;
  extension colour { argument name; }
  extension note { argument text { yin-element true; } }
  extension plain;
  container barn { // red
    f:colour "<red & white>"; f:note 'old
  and long'; f:plain;
    description "A \\"barn\\".";
    leaf cows { type uint8 { range "1..20" { error-message "Too many."; } } must ". > 0"; }
  }
}
"""
PARTS = """
submodule farm-parts { yang-version 1.1; belongs-to farm { prefix ff; } ff:plain; leaf acres { type uint8; } }
"""


@pytest.fixture(scope="module")
def schema() -> Schema:
    """All modules of the server, and two with everything that is odd in YIN."""
    texts = {"farm": FARM, "farm-parts": PARTS}
    users = [Source(name, None, "yang", Path(f"{name}.yang"), text) for name, text in texts.items()]
    ours, installed = find_sources()
    return load_sources(default_module_names(), users, [*ours, *installed])


def statements(text: str, kind: str) -> Any:
    """What pyang finds in a text: (keyword, argument, what is in it) without comments."""
    parser = yin_parser.YinParser() if kind == "yin" else yang_parser.YangParser()
    found = parser.parse(Reader([]), "text", text)
    assert found is not None

    def plain(statement: Any) -> Any:
        inner = [plain(below) for below in statement.substmts if below.keyword != "_comment"]
        return statement.raw_keyword, statement.arg, inner

    return plain(found)


def test_yin_says_what_yang_says(schema: Schema) -> None:
    """The witness is pyang's own reader of YIN."""
    without_extensions = [m for m in schema.modules.values() if m.name not in ("farm", "farm-parts")]
    assert len(without_extensions) > 30
    for module in without_extensions:
        yin = text_in(schema, module, "yin")
        assert _core(statements(yin, "yin")) == _core(statements(module.text, "yang")), module.name


def _core(statement: Any) -> Any:
    """Without extensions, whose arguments pyang's reader looks up in files."""
    keyword, argument, inner = statement
    return keyword, argument, [_core(below) for below in inner if isinstance(below[0], str)]


def test_extensions_have_their_argument_where_they_say(schema: Schema) -> None:
    root = etree.fromstring(text_in(schema, schema.modules["farm"], "yin"))
    barn = root.find(f"{{{YIN}}}container")
    assert barn is not None
    assert [etree.QName(child).localname for child in barn] == ["colour", "note", "plain", "description", "leaf"]
    colour, note, plain, description, _ = barn
    assert (colour.tag, dict(colour.attrib)) == ("{urn:farm}colour", {"name": "<red & white>"})
    assert (note.tag, note[0].tag, note[0].text) == ("{urn:farm}note", "{urn:farm}text", "old\n  and long")
    assert (plain.tag, len(plain), dict(plain.attrib)) == ("{urn:farm}plain", 0, {})
    assert description[0].text == 'A "barn".'


def test_a_submodule_has_the_namespace_of_its_module(schema: Schema) -> None:
    root = etree.fromstring(text_in(schema, schema.modules["farm-parts"], "yin"))
    assert (root.tag, root.get("name")) == (f"{{{YIN}}}submodule", "farm-parts")
    assert root.find("{urn:farm}plain") is not None


def test_a_module_that_was_read_as_yin_can_be_had_as_yang(schema: Schema) -> None:
    module = schema.modules["cryptomap-acl"]
    yin = text_in(schema, module, "yin")
    as_yin: Module = replace(module, text=yin)
    assert (format_of(module), format_of(as_yin)) == ("yang", "yin")
    assert text_in(schema, as_yin, "yin") == yin
    assert _core(statements(text_in(schema, as_yin, "yang"), "yang")) == _core(statements(module.text, "yang"))


def test_the_modules_of_the_server_load_from_yin(tmp_path: Path) -> None:
    schema = load(["cryptomap-types"])
    yin = text_in(schema, schema.modules["cryptomap-types"], "yin")
    users = [Source("cryptomap-types", None, "yin", tmp_path / "cryptomap-types.yin", yin)]
    _, installed = find_sources()
    again = load_sources([], users, installed)
    assert again.identities.keys() == schema.identities.keys()
