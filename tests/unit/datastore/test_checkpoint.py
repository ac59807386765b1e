"""The binary form of a tree: what was written is read, or the file is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptomap.data.tree import Node, SortedEntries
from cryptomap.data.xml import read_config
from cryptomap.datastore.checkpoint import CheckpointFault, Header, decode, encode, read_header
from cryptomap.schema.nodes import Schema
from support.stores import VAULT, YANG, interface, schema_of, tree, xml

NOTE = '<note><a xmlns="urn:a">text<b/></a></note>'
FULL = f"""
  <interface><name>eth0</name><mtu>1500</mtu><psk>secret</psk><peer>eth1</peer>
    <medium xmlns:n="urn:net">n:fibre</medium><address>b</address><address>a</address>
    <vlan><id>20</id></vlan><vlan><id>3</id><text>t</text></vlan></interface>
  <interface><name>eth1</name></interface>
  <rule><seq>9</seq><action>drop</action></rule><rule><seq>1</seq></rule>
  <options><tag>x</tag>{NOTE}</options>
"""


def header(schema: Schema) -> Header:
    return Header(commit=7, digest="d" * 64, schema=schema.content_id)


def written(schema: Schema, root: Node) -> bytes:
    pieces: list[bytes] = []
    encode(schema, root, header(schema), pieces.append)
    return b"".join(pieces)


def test_every_kind_of_node_is_read_as_it_was_written(schema: Schema) -> None:
    root = tree(schema, FULL)
    checkpoint = decode(written(schema, root))
    assert checkpoint.header == header(schema)
    assert checkpoint.fits(schema)
    assert checkpoint.tree(schema) == root
    assert xml(schema, checkpoint.tree(schema)) == xml(schema, root)


def test_an_empty_configuration_is_read_as_it_was_written(schema: Schema) -> None:
    root = Node.empty(schema.root)
    assert decode(written(schema, root)).tree(schema) == root


names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=8)


@given(st.dictionaries(names, st.tuples(st.sets(st.integers(0, 65535), max_size=5), st.integers(68, 9000))))
@settings(max_examples=50, deadline=None)
def test_any_tree_is_read_as_it_was_written(content: dict[str, Any]) -> None:
    schema = schema_of(YANG)
    net = schema.find("/net:net")
    root = built(schema, content)
    assert net.slot >= 0
    assert decode(written(schema, root)).tree(schema) == root


def built(schema: Schema, content: dict[str, tuple[set[int], int]]) -> Node:
    """Interfaces by name with VLANs and an MTU."""
    net, interface_, vlan = (schema.find(f"/net:net{path}") for path in ("", "/interface", "/interface/vlan"))
    entries = {}
    for name, (ids, mtu) in content.items():
        vlans = {i: Node.empty(vlan).with_slot(vlan.child("id").slot, str(i)) for i in ids}  # type: ignore[arg-type, attr-defined]
        entry = Node.empty(interface_)  # type: ignore[arg-type]
        for child, value in [("name", name), ("mtu", str(mtu)), ("vlan", SortedEntries.build(vlans))]:  # type: ignore[arg-type]
            entry = entry.with_slot(interface_.child(child).slot, value)  # type: ignore[attr-defined]
        entries[name] = entry
    inner = SortedEntries.build(entries)  # type: ignore[arg-type]
    empty = Node.empty(schema.root)
    if inner is None:
        return empty
    return empty.with_slot(net.slot, Node.empty(net).with_slot(interface_.slot, inner))  # type: ignore[arg-type]


def test_long_lists_are_cut_into_frames_and_put_together_again(schema: Schema) -> None:
    root = built(schema, {f"i{n}": (set(range(n % 7)), 1500) for n in range(3000)})
    data = written(schema, root)
    again = decode(data).tree(schema)
    assert again == root
    entries = again.node("net:net").entries("interface")  # type: ignore[union-attr]
    assert isinstance(entries, SortedEntries)
    assert entries.get("i2999") == root.node("net:net").entries("interface").get("i2999")  # type: ignore[union-attr]


def test_no_frame_holds_a_large_part_of_a_long_list(schema: Schema) -> None:
    pieces: list[bytes] = []
    root = built(schema, {f"i{n}": ({1, 2}, 1500) for n in range(5000)})
    encode(schema, root, header(schema), pieces.append)
    total = sum(map(len, pieces))
    assert max(map(len, pieces)) < total / 10


def test_a_leaf_value_equal_in_many_entries_is_one_object_in_memory_again(schema: Schema) -> None:
    root = decode(written(schema, built(schema, {f"i{n}": (set(), 1500) for n in range(10)}))).tree(schema)
    values = {id(entry.text("mtu")) for entry in root.node("net:net").entries("interface").nodes()}  # type: ignore[union-attr]
    assert len(values) <= 10


@pytest.mark.parametrize("at", [0, 5, 30, 200, -40, -1])
def test_a_single_flipped_bit_is_noticed(schema: Schema, at: int) -> None:
    data = bytearray(written(schema, tree(schema, FULL)))
    data[at] ^= 1
    with pytest.raises(CheckpointFault):
        decode(bytes(data))


@pytest.mark.parametrize("length", [0, 1, 31, 32, 33, 100])
def test_a_file_cut_short_is_noticed(schema: Schema, length: int) -> None:
    with pytest.raises(CheckpointFault):
        decode(written(schema, tree(schema, FULL))[:length])


@pytest.mark.parametrize("data", [b"", b"cryptomap checkpoint 1\n", b"cryptomap checkpoint 1\n{}\n", b"\0" * 100])
def test_what_is_no_checkpoint_has_no_header(data: bytes) -> None:
    with pytest.raises(CheckpointFault):
        read_header(data)


def test_another_schema_does_not_fit_but_reads_it_by_names(schema: Schema, newer_schema: Schema) -> None:
    root = tree(schema, interface("eth0", "<mtu>1500</mtu><psk>secret</psk>") + "<rule><seq>1</seq></rule>")
    checkpoint = decode(written(schema, root))
    assert not checkpoint.fits(newer_schema)
    assert xml(newer_schema, read_config(newer_schema, checkpoint.element(), VAULT)) == xml(schema, root)


def test_read_by_names_every_kind_of_node_is_there(schema: Schema) -> None:
    root = tree(schema, FULL.replace(NOTE, ""))
    assert read_config(schema, decode(written(schema, root)).element(), VAULT) == root
    with_note = read_config(schema, decode(written(schema, tree(schema, FULL))).element(), VAULT)
    assert '<a xmlns="urn:a">text' in xml(schema, with_note)  # the prefix around it may be another


def test_secrets_are_sealed_in_the_file(schema: Schema) -> None:
    root = tree(schema, interface("eth0", "<psk>canary-7</psk>"))
    data = written(schema, root)
    assert b"canary-7" not in data
    assert b"$cm1$" in data
