"""The difference of two configurations as lines of StarOS text."""

from __future__ import annotations

from collections.abc import Callable

from cryptomap.schema.nodes import Schema
from cryptomap.staros import Imported, export_text
from cryptomap.staros.compare import compare_texts

Import = Callable[..., Imported]

OLD = """
qos ip-dscp-iphb-mapping dscp 0x28 internal-priority cos 0x1
qos l2-mapping-table name t
  internal-priority cos 0x1 color 0x0 802.1p-value 0x4
#exit
context a
  ipsec transform-set gold
    dscp 0x28
    mode transport
  #exit
  ipsec transform-set silver
  #exit
  associate l2-mapping-table name t
#exit
context b
  ipsec transform-set gold
  #exit
#exit
"""


def difference(take: Import, schema: Schema, new: str) -> list[str]:
    old_text, new_text = (export_text(schema, take(text).root).text for text in (OLD, new))
    return compare_texts(old_text, new_text).splitlines()


def test_from_nothing_and_to_nothing(take: Import, schema: Schema) -> None:
    """Of a configuration without anything StarOS knows, as it is before the first commit, there is no text."""
    text = export_text(schema, take("context a\n#exit\n").root).text
    for nothing in ("", export_text(schema, take("").root).text):
        assert compare_texts(nothing, text).splitlines() == ["@@ context a @@", "+  context a"]
        assert compare_texts(text, nothing).splitlines() == ["@@ context a @@", "-  context a"]
        assert compare_texts(nothing, nothing) == ""


def test_a_changed_object_is_a_block_with_its_lines(take: Import, schema: Schema) -> None:
    assert difference(take, schema, OLD.replace("dscp 0x28\n    mode", "dscp 0x2e\n    mode")) == [
        "@@ context a / ipsec transform-set gold @@",
        "     ipsec transform-set gold",
        "       mode transport",
        "-      dscp 0x28",
        "+      dscp 0x2e",
        "     #exit",
    ]


def test_objects_come_and_go_as_wholes(take: Import, schema: Schema) -> None:
    new = OLD.replace("  ipsec transform-set silver\n  #exit\n", "").replace("context b", "context c")
    assert difference(take, schema, new) == [
        "@@ context a / ipsec transform-set silver @@",
        "-    ipsec transform-set silver",
        "-    #exit",
        "@@ context b @@",
        "-  context b",
        "@@ context b / ipsec transform-set gold @@",
        "-    ipsec transform-set gold",
        "-    #exit",
        "@@ context c @@",
        "+  context c",
        "@@ context c / ipsec transform-set gold @@",
        "+    ipsec transform-set gold",
        "+    #exit",
    ]


def test_what_is_global_or_stands_in_the_context_itself(take: Import, schema: Schema) -> None:
    new = OLD.replace("cos 0x1 color 0x0 802.1p-value 0x4", "cos 0x1 color 0x0 802.1p-value 0x6")
    new = new.replace("internal-priority cos 0x1\n", "internal-priority cos 0x2\n").replace(
        "table name t\n#", "table name s\n#"
    )
    assert difference(take, schema, new) == [
        "@@ config @@",
        "-  qos ip-dscp-iphb-mapping dscp 0x28 internal-priority cos 0x1",
        "+  qos ip-dscp-iphb-mapping dscp 0x28 internal-priority cos 0x2",
        "@@ qos l2-mapping-table name t @@",
        "   qos l2-mapping-table name t",
        "-    internal-priority cos 0x1 color 0x0 802.1p-value 0x4",
        "+    internal-priority cos 0x1 color 0x0 802.1p-value 0x6",
        "   #exit",
        "@@ context a @@",
        "   context a",
        "-    associate l2-mapping-table name t",
        "+    associate l2-mapping-table name s",
    ]


def test_equal_configurations_do_not_differ(take: Import, schema: Schema) -> None:
    assert difference(take, schema, OLD) == []
