"""Reading values of a tree by relative path: explicit or in effect, typed. The only way this room reads configuration.

A path is names with ``/`` between them, ``module:name`` where the module differs from that of the node above. Paths
lead through containers only; absent containers count as empty, so that defaults below them are found.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from cryptomap.data.defaults import effective
from cryptomap.data.tree import Entries, EntriesTypes, Key, Node, UserEntries, Value
from cryptomap.schema.nodes import DataNode, InnerNode, Leaf, LeafList

__all__ = [
    "container",
    "entries",
    "entry",
    "explicit",
    "flag",
    "identity",
    "is_set",
    "keys",
    "keyword",
    "leaf",
    "many",
    "number",
    "required",
    "resolve",
    "value",
]

TYPES = "cryptomap-types"
KEYWORDS = {"triple-des-cbc": "3des-cbc"}
"""Identities whose StarOS keyword is not a YANG identifier."""

IDENTITIES = {word: name for name, word in KEYWORDS.items()}


@lru_cache(maxsize=4096)
def resolve(schema: InnerNode, path: str) -> tuple[DataNode, ...]:
    """The schema nodes along a relative path. KeyError for a name the schema does not have."""
    steps: list[DataNode] = []
    here = schema
    for name in path.split("/"):
        child = here.by_qname.get(name) or here.by_qname[f"{here.module}:{name}"]
        steps.append(child)
        if isinstance(child, InnerNode):
            here = child
    return tuple(steps)


def leaf(node: Node, path: str) -> str | None:
    """The value in effect of a leaf: the explicit one, else its default, else ``None``."""
    parent, child = _last(node, path)
    assert isinstance(child, Leaf)
    found = effective(parent, child)
    return found if isinstance(found, str) else None


def required(node: Node, path: str) -> str:
    """The value in effect of a leaf that is mandatory or has a default."""
    found = leaf(node, path)
    assert found is not None, path
    return found


def explicit(node: Node, path: str) -> str | None:
    """The value somebody set, ``None`` if nobody did."""
    found = value(node, path)
    return found if isinstance(found, str) else None


def value(node: Node, path: str) -> Value | None:
    """Whatever stands at the path."""
    parent, child = _last(node, path)
    return None if parent is None else parent.slots[child.slot]


def is_set(node: Node, path: str) -> bool:
    """Whether a leaf of type empty, or any other node, is there."""
    return value(node, path) is not None


def number(node: Node, path: str) -> int | None:
    """The value in effect of an integer leaf."""
    found = leaf(node, path)
    return None if found is None else int(found)


def flag(node: Node, path: str) -> bool:
    """The value in effect of a boolean leaf; one without a value is false."""
    return leaf(node, path) == "true"


def many(node: Node, path: str) -> tuple[str, ...]:
    """The values of a leaf-list, in order."""
    parent, child = _last(node, path)
    assert isinstance(child, LeafList)
    found = effective(parent, child)
    return found if isinstance(found, tuple) else ()


def container(node: Node, path: str) -> Node | None:
    found = value(node, path)
    return found if isinstance(found, Node) else None


def entries(node: Node, path: str) -> Iterator[Node]:
    """The entries of a list, in order."""
    found = _entries(node, path)
    return iter(()) if found is None else found.nodes()


def keys(node: Node, path: str) -> tuple[Key, ...]:
    """The keys of the entries of a list, in order."""
    found = _entries(node, path)
    if found is None:
        return ()
    return found.keys() if isinstance(found, UserEntries) else tuple([key for key, _ in found.items()])


def entry(node: Node, path: str, key: Key) -> Node | None:
    """The entry of a list with that key."""
    found = _entries(node, path)
    return None if found is None else found.get(key)


def _entries(node: Node, path: str) -> Entries | None:
    found = value(node, path)
    return found if isinstance(found, EntriesTypes) else None


def _last(node: Node, path: str) -> tuple[Node | None, DataNode]:
    """The node the last step stands in, ``None`` if a container on the way is absent, and that step."""
    steps = resolve(node.schema, path)
    here: Node | None = node
    for step in steps[:-1]:
        found = None if here is None else here.slots[step.slot]
        here = found if isinstance(found, Node) else None
    return here, steps[-1]


def keyword(text: str) -> str:
    """The StarOS keyword of an identity, which is also the backends' name of the algorithm."""
    name = text.rpartition(":")[2]
    return KEYWORDS.get(name, name)


def identity(word: str) -> str:
    """The identity of an algorithm, ``module:name``."""
    return f"{TYPES}:{IDENTITIES.get(word, word)}"
