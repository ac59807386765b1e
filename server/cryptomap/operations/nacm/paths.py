"""node-instance-identifiers (RFC 8341): instance paths whose key predicates may be left out, and may be ``$USER``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from cryptomap.data.tree import Key, key_text
from cryptomap.schema.nodes import DataNode, InnerNode, Leaf, LeafList, ListNode, Notification, Operation, Schema
from cryptomap.schema.types import TypeFault

__all__ = ["OTHER_KEY", "PathStep", "read_path"]

OTHER_KEY: Final = "\0"
"""Stands for a key that no rule names: every predicate on it fails. No YANG string can hold this character."""

_STEP = re.compile(r"\s*/\s*(?:(?P<prefix>[A-Za-z_][\w.\-]*):)?(?P<name>[A-Za-z_][\w.\-]*)\s*")
_PREDICATE = re.compile(
    r"""\[\s*(?:
        (?:(?:(?P<prefix>[A-Za-z_][\w.\-]*):)?(?P<name>[A-Za-z_][\w.\-]*)|(?P<self>\.))
        \s*=\s*(?:'(?P<single>[^']*)'|"(?P<double>[^"]*)"|(?P<user>\$USER))
      | (?P<position>[1-9][0-9]*)
    )\s*\]\s*""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class PathStep:
    """One step: the node's qualified name, and what its instances must have: (position in the key, canonical value)
    pairs, where the value ``None`` is the name of the user. ``is_full``: the pairs fix the whole key."""

    qname: str
    wanted: tuple[tuple[int, str | None], ...] = ()
    is_full: bool = False

    def matches(self, key: Key | None, user: str) -> bool:
        """Whether the instance with that key is meant. A step that asks for more than is known does not match."""
        if not self.wanted:
            return True
        if key is None or key == OTHER_KEY:
            return False
        texts = key_text(key)
        return all(texts[at] == (user if value is None else value) for at, value in self.wanted)


def read_path(schema: Schema, text: str) -> tuple[PathStep, ...]:
    """The steps of a path with module names for prefixes; none for ``/``. Raises TypeFault for what names no node."""
    if text.strip() == "/":
        return ()
    steps: list[PathStep] = []
    node: DataNode = schema.root
    at = 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            raise TypeFault(f"'{text}' is not a path to a node (at character {at + 1})")
        node = _child(schema, node, match["prefix"], match["name"])
        predicates = []
        at = match.end()
        while (predicate := _PREDICATE.match(text, at)) is not None:
            predicates.append(predicate)
            at = predicate.end()
        steps.append(_step(schema, node, predicates))
    if not steps:
        raise TypeFault("a path must not be empty")
    return tuple(steps)


def _child(schema: Schema, parent: DataNode, prefix: str | None, name: str) -> DataNode:
    module = _module(schema, prefix) or parent.module
    if isinstance(parent, InnerNode) and not isinstance(parent, Operation | Notification):
        children: list[DataNode] = [*parent.children, *parent.operations.values(), *parent.notifications.values()]
        for child in children:
            if child.name == name and (child.module == module or not module):
                return child
    where = parent.path or "the top"
    raise TypeFault(f"there is no node {module + ':' if module else ''}{name} below {where}")


def _module(schema: Schema, prefix: str | None) -> str:
    """A module's name, or the prefix it has in this server."""
    if prefix is None or prefix in schema.namespace_of_module:
        return prefix or ""
    return next((module for module, known in schema.prefix_of_module.items() if known == prefix), prefix)


def _step(schema: Schema, node: DataNode, predicates: list[re.Match[str]]) -> PathStep:
    wanted = tuple([_wanted(schema, node, predicate) for predicate in predicates])
    parts = len(node.keys) or 1 if isinstance(node, ListNode) else 1
    return PathStep(node.qname, wanted, len({at for at, _ in wanted}) == parts)


def _wanted(schema: Schema, node: DataNode, predicate: re.Match[str]) -> tuple[int, str | None]:
    keys = node.keys if isinstance(node, ListNode) else ()
    if predicate["position"] and isinstance(node, ListNode) and not keys:
        return 0, str(int(predicate["position"]) - 1)
    if predicate["self"] and isinstance(node, LeafList):
        return 0, _value(schema, node, predicate)
    for at, leaf in enumerate(keys):
        if predicate["name"] == leaf.name and _module(schema, predicate["prefix"]) in ("", leaf.module):
            return at, _value(schema, leaf, predicate)
    raise TypeFault(f"{predicate[0].strip()} chooses no instance of {node.qname}: only keys can be named")


def _value(schema: Schema, leaf: Leaf | LeafList, predicate: re.Match[str]) -> str | None:
    if predicate["user"]:
        return None
    text = predicate["single"] if predicate["single"] is not None else predicate["double"]

    def module_of(prefix: str | None) -> str:
        return _module(schema, prefix) or leaf.module

    return leaf.type.parse(text, module_of)
