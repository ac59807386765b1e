"""Reading with rules, against the procedure of RFC 8341 followed literally for each instance."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree

from cryptomap.data.tree import EntriesTypes, Node, Path, Value
from cryptomap.data.view import View, materialize
from cryptomap.data.xml import read_config
from cryptomap.operations import Nacm
from cryptomap.schema.nodes import DataNode, Leaf
from support.lab import door, door_schema
from support.nacm import nacm, rule
from support.stores import VAULT

NAMES = ["a", "b", "c", "alice"]
STEPS = [f"[d:name='{name}']" for name in NAMES] + ["[d:name=$USER]", ""]
PATHS = [f"/d:doors/d:door{step}{leaf}" for step in STEPS for leaf in ("", "/d:width", "/d:colour")]
PATHS += ["/", "/d:doors", "/d:parts", "/d:parts/d:hinge", "/d:parts/d:hinge[.='left']"]
LEAFS = ["<width>90</width>", "<colour>red</colour>", "<owner>bob</owner>", "<code>1</code>"]

rules = st.lists(
    st.tuples(
        st.sampled_from(["permit", "deny"]), st.sampled_from([*PATHS, ""]), st.sampled_from(["*", "read", "update"])
    ),
    max_size=5,
)
doors = st.dictionaries(st.sampled_from(NAMES), st.sets(st.sampled_from(LEAFS)))


@given(rules, doors, st.sampled_from(["permit", "deny"]))
@example([("permit", PATHS[0], "*")], {"a": set(), "b": {"<code>1</code>"}}, "permit")  # a mark for all others
@example([("deny", PATHS[0], "*"), ("permit", PATHS[0], "*")], {"a": set()}, "permit")  # nothing is left inside
@settings(max_examples=150, deadline=None)
def test_what_is_pruned_is_what_is_denied(
    listed: list[tuple[str, str, str]], content: dict[str, set[str]], default: str
) -> None:
    lines = []
    for number, (action, path, accesses) in enumerate(listed):
        leafs = {"path": path} if path else {}
        lines.append(rule(f"r{number}", action, **leafs, access_operations=accesses))
    everything = "".join(door(name, *sorted(inner)) for name, inner in content.items())
    text = (
        f"<config>{nacm(*lines, more=f'<read-default>{default}</read-default>')}"
        f'<doors xmlns="urn:doors">{everything}</doors>'
        '<parts xmlns="urn:doors"><hinge>left</hinge><hinge>right</hinge></parts></config>'
    )
    root = read_config(door_schema(), etree.fromstring(text), VAULT)
    reader = Nacm(door_schema(), lambda: root).reader("alice")
    view = View(reader.prune(root), hide=reader.hide)
    assert materialize(view.expand(view.root, ())) == _followed(listed, root, default)


def _followed(listed: list[tuple[str, str, str]], root: Node, default: str) -> Node:
    """The tree with each instance asked for by itself; keys come with their entry."""

    def keep(node: Node, path: Path) -> Node:
        return Node(node.schema, tuple(_slots(node, path)))

    def _slots(node: Node, path: Path) -> Iterator[Value | None]:
        for child in node.schema.children:
            yield _slot(child, node.slots[child.slot], path)

    def _slot(child: DataNode, value: Value | None, path: Path) -> Value | None:
        if isinstance(value, EntriesTypes):
            left = {
                key: keep(entry, (*path, (child, key)))
                for key, entry in value.items()
                if _permits(listed, (*path, (child, key)), default)
            }
            return type(value).build(left) if hasattr(value, "build") else type(value)(left) if left else None  # type: ignore
        if isinstance(value, tuple):
            return tuple([item for item in value if _permits(listed, (*path, (child, item)), default)]) or None
        if value is None or (isinstance(child, Leaf) and child.is_key):
            return value
        if not _permits(listed, (*path, (child, None)), default):
            return None
        if not isinstance(value, Node):
            return value
        inner = keep(value, (*path, (child, None)))
        return None if inner.is_empty else inner

    return keep(root, ())


def _permits(listed: list[tuple[str, str, str]], path: Path, default: str) -> bool:
    for action, wanted, accesses in listed:
        if accesses != "update" and _is_below(wanted, path):
            return action == "permit"
    return path[-1][0].deny != "read" and default == "permit"


def _is_below(wanted: str, path: Path) -> bool:
    if wanted in ("", "/"):
        return True
    written = ""
    for node, key in path:
        written += f"/d:{node.name}" if node.module == "doors" else f"/{node.name}"
        if _same(written, wanted):
            return True
        if key is not None:
            written += f"[d:name='{key}']" if node.name == "door" else f"[.='{key}']"
        if _same(written, wanted):
            return True
    return False


def _same(written: str, wanted: str) -> bool:
    """Whether the path with all its keys is the one of the rule, whose keys may be missing."""
    wanted = wanted.replace("$USER", "'alice'")
    return wanted == written or ("[" not in wanted and wanted == _without_keys(written))


def _without_keys(path: str) -> str:
    return "/".join(step.partition("[")[0] for step in path.split("/"))
