"""The work of a commit follows the change, not the configuration: the same counters at 100 bundles and at 10,000."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pytest
from bench import workload
from lxml import etree

from cryptomap.data.edit import edit
from cryptomap.data.tree import Node, SortedEntries, UserEntries, entries_like
from cryptomap.data.validation import Counters, Snapshot, snapshot_of, validate
from cryptomap.data.validation.constraints import plan_of
from cryptomap.data.validation.engine import Run
from cryptomap.data.validation.violations import Violations
from support.box import Box
from support.yang import module, product_schema, schema_of

SMALL, LARGE = 100, 10_000
LISTS = [
    "cryptomap-context:interface",
    "cryptomap-acl:access-list",
    "cryptomap-ipsec:ipsec-transform-set",
    "cryptomap-ipsec:crypto-map",
]
FIRST = "b000000"


class Seal:
    """Stands in for the vault."""

    def seal(self, path: str, clear: str) -> str:
        return "$cm1$c2VhbGVk"

    def is_sealed(self, path: str, text: str) -> bool:
        return text.startswith("$cm1$")


def edited(root: Node, document: str) -> Node:
    return edit(product_schema(), root, etree.fromstring(document), seal=Seal())


@lru_cache(maxsize=3)
def bundles(count: int) -> Snapshot:
    """The bench's configuration, made by copying its first bundle under other names: that is much faster to make."""
    root = edited(Node.empty(product_schema().root), workload.whole(1))
    contexts: Any = root["cryptomap-context:contexts"]
    context = contexts["context"].get(workload.CONTEXT)
    for name in LISTS:
        [(_, first)] = context[name].items()
        copies = [renamed(first, f"b{number:06}") for number in range(count)]
        context = put(context, name, SortedEntries.build({copy["name"]: copy for copy in copies}))
    contexts = put(contexts, "cryptomap-context:context", contexts["context"].replace({workload.CONTEXT: context}))
    return snapshot_of(product_schema(), put(root, "cryptomap-context:contexts", contexts))


def put(node: Node, name: str, value: Any) -> Node:
    return node.with_slot(node.schema.by_qname[name].slot, value)


def renamed(value: Any, name: str) -> Any:
    """A copy in which each text that holds the first bundle's name holds this one."""
    if isinstance(value, str):
        return value.replace(FIRST, name)
    if isinstance(value, tuple):
        return tuple([renamed(item, name) for item in value])
    if isinstance(value, Node):
        return Node(value.schema, tuple([renamed(item, name) for item in value.slots]))
    if isinstance(value, (SortedEntries, UserEntries)):
        return entries_like(value, {renamed(key, name): renamed(entry, name) for key, entry in value.items()})
    return value


def work(count: int, document: str) -> tuple[Counters, int]:
    """What checking an edit takes, and how many violations it has."""
    base = bundles(count)
    violations = Violations(product_schema())
    run = Run(plan_of(product_schema()), edited(base.root, document), base.root, base.references, violations)
    run.run()
    return run.counters, len(violations)


EDITS = {
    "one leaf": (workload.one_leaf(50, 12), 0),
    "one more bundle": (workload.config([workload.bundle(LARGE)]), 0),
    "delete of an access list that a map refers to": (workload.dangling(50), 1),
    "a rule too many in an access list of a map": (workload.shared_rule(50), 1),
}


def test_the_copied_configuration_is_valid() -> None:
    assert validate(product_schema(), bundles(SMALL).root, None).counters.constraints > SMALL


@pytest.mark.parametrize(("document", "violations"), EDITS.values(), ids=EDITS)
def test_user_need_1_the_work_does_not_grow(document: str, violations: int) -> None:
    small, large = work(SMALL, document), work(LARGE, document)
    assert small == large
    assert small[1] == violations
    assert 0 < small[0].constraints < 50
    assert 0 < small[0].touched < 50


def test_a_leaf_costs_one_constraint() -> None:
    counters, _ = work(SMALL, workload.one_leaf(50, 12))
    assert (counters.constraints, counters.touched) == (1, 1)


def test_a_full_validation_does_grow() -> None:
    """The counters count: checking all of ten times as much is ten times the work."""
    small, large = [validate(product_schema(), bundles(count).root, None).counters for count in (10, SMALL)]
    assert large.constraints > 9 * small.constraints
    assert large.nodes > 9 * small.nodes


# ===== what makes others quadratic =====

YARD = module(
    "yard",
    """
  list box { key name; leaf name { type string; } leaf color { type string; } }
  list wish { key name; leaf name { type string; } leaf color { type leafref { path "/box/color"; } } }
  list room { key name; leaf name { type string; }
    list box { key name; leaf name { type string; } leaf color { type string; } }
    leaf first { type leafref { path "../box/name"; } }
    leaf color { type leafref { path "../box/color"; } } }
""",
)


def yard(count: int) -> str:
    boxes = "".join(f"<box><name>{n}</name><color>c{n}</color></box>" for n in range(count))
    wishes = "".join(f"<wish><name>{n}</name><color>c{n}</color></wish>" for n in range(count))
    rooms = "".join(
        f"<room><name>{n}</name><box><name>b</name><color>red</color></box><first>b</first><color>red</color></room>"
        for n in range(count)
    )
    return boxes + wishes + rooms


def committed(count: int) -> Box:
    box = Box(schema_of(YARD), "urn:yard")
    box.edit(yard(count))
    assert box.commit() == []
    return box


def test_leafrefs_to_leafs_that_are_no_keys_cost_a_look_each() -> None:
    small, large = committed(20).running.counters, committed(200).running.counters
    assert large.nodes <= 11 * small.nodes


def test_the_same_names_in_many_places_cost_nothing() -> None:
    found = []
    for count in (20, 200):
        box = committed(count)
        box.edit('<room><name>7</name><first nc:operation="delete"/><box><name>c</name><color>red</color></box></room>')
        assert box.commit() == []
        box.edit('<room><name>7</name><box nc:operation="delete"><name>b</name></box></room>')
        assert box.commit() == []
        found.append(box.running.counters)
    assert found[0] == found[1]
    assert found[0].nodes < 10
