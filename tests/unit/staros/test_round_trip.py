"""What is written is read again: for configurations that hypothesis makes up, whatever the schema allows."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cryptomap.data.path import find
from cryptomap.data.tree import Node, Path, Value
from cryptomap.datastore.secrets import Vault
from cryptomap.schema.nodes import Leaf
from cryptomap.staros import export_text, import_text
from support.trees import configurations
from support.yang import product_schema

F = TypeVar("F", bound=Callable[..., None])
VAULT = Vault([bytes(range(64))])
FOCUS = [(), ("access-list",), ("ipsec-transform-set", "crypto-map"), ("interface", "application")]
HOST_LENGTHS = {"ipv4": "32", "ipv6": "128"}
PORT_PROTOCOLS = {"6": "tcp", "17": "udp"}


def examples(number: int) -> Callable[[F], F]:
    return settings(max_examples=number, deadline=None, suppress_health_check=list(HealthCheck))


@cache
def made_up(focus: tuple[str, ...]) -> st.SearchStrategy[Node]:
    return configurations(product_schema().root, VAULT, focus)


@pytest.mark.parametrize("focus", FOCUS, ids=lambda names: "+".join(names) or "all")
@examples(40)
@given(st.data())
def test_what_is_written_comes_back(focus: tuple[str, ...], data: st.DataObject) -> None:
    """A configuration, written and read, means what it meant except for the paths reported as unsaid; and what was read
    from text is written and read again without any change."""
    schema = product_schema()
    root = data.draw(made_up(focus))
    exported = export_text(schema, root)
    first = import_text(schema, exported.text, seal=VAULT)
    assert (first.rejects, first.notes) == ((), ())
    assert meaning(first.root) == meaning(root, frozenset(map(steps, exported.unsaid)))
    assert all(find(root, path) is not None for path in exported.unsaid)

    again = export_text(schema, first.root)
    assert again.unsaid == ()
    assert import_text(schema, again.text, seal=VAULT).root == first.root


@examples(20)
@given(st.data())
def test_indentation_and_case_of_keywords_say_nothing(data: st.DataObject) -> None:
    schema = product_schema()
    text = export_text(schema, data.draw(made_up(()))).text
    lines = [" " * data.draw(st.integers(0, 3)) + _shouted(line.strip()) for line in text.split("\n")]
    flat = import_text(schema, "\n\n".join(lines), seal=VAULT)
    assert flat.rejects == ()
    assert flat.root == import_text(schema, text, seal=VAULT).root


def _shouted(line: str) -> str:
    first, blank, rest = line.partition(" ")
    return f"{first.upper()}{blank}{rest}"


# ===== meaning =====

Steps = tuple[tuple[int, Any], ...]


def steps(path: Path) -> Steps:
    return tuple((node.slot, key) for node, key in path)


def meaning(node: Node, unsaid: frozenset[Steps] = frozenset(), at: Steps = ()) -> dict[str, Any]:
    """A node as nested dictionaries without what StarOS text cannot tell apart: set to the default or not set, a host
    mask or no prefix length, names of rules, ways to say a port."""
    found: dict[str, Any] = {}
    for child in node.schema.children:
        value = node.slots[child.slot]
        here = (*at, (child.slot, None))
        if value is None or here in unsaid or (isinstance(child, Leaf) and child.default == value):
            continue
        content = _content(value, unsaid, at, child.slot)
        if content != {} or (isinstance(value, Node) and getattr(child, "presence", False)):
            found[child.name] = content
    return _same_words(node, found)


def _content(value: Value, unsaid: frozenset[Steps], at: Steps, slot: int) -> Any:
    if isinstance(value, Node):
        return meaning(value, unsaid, (*at, (slot, None)))
    if isinstance(value, str | tuple):
        return value
    entries = [(key, entry) for key, entry in value.items() if (*at, (slot, key)) not in unsaid]  # type: ignore[union-attr]
    return {
        (position if entry.schema.name == "rule" else key): meaning(entry, unsaid, (*at, (slot, key)))
        for position, (key, entry) in enumerate(entries)
    }


def _same_words(node: Node, found: dict[str, Any]) -> dict[str, Any]:
    name = node.schema.name
    if found.get("prefix-length") == HOST_LENGTHS.get(name):
        found.pop("prefix-length", None)
    if name == "rule":
        found.pop("name", None)
        if any("port" in found.get(end, {}) or "lower-port" in found.get(end, {}) for end in ("source", "destination")):
            found["protocol"] = PORT_PROTOCOLS.get(found["protocol"], found["protocol"])
        if found.get("protocol") in ("1", "58") and "icmp" in found:
            found["protocol"] = "icmp"
    if name in ("source", "destination"):
        _same_ports(found)
    if name == "ipsec-transform-set" and found.get("protocol") == "ah":
        found.setdefault("hmac", "cryptomap-types:sha1-96")
    return found


def _same_ports(found: dict[str, Any]) -> None:
    if (found.get("operator"), found.get("port")) in (("gte", "0"), ("lte", "65535")):
        found.clear() if "prefix" not in found else [found.pop("operator"), found.pop("port")]
        found |= {"lower-port": "0", "upper-port": "65535"}
    if "lower-port" in found:
        found.setdefault("upper-port", found["lower-port"])
