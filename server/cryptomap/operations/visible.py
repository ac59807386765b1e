"""Changes as a user may see them, and as lines of text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice

from cryptomap.data.build import Plain
from cryptomap.data.diff import Change
from cryptomap.data.outline import MAX_LINES, NOT_SHOWN, leaf_changes, tree_text
from cryptomap.data.path import text_of
from cryptomap.data.tree import AnyValue, EntriesTypes, Node, Path, Value
from cryptomap.data.view import View, materialize
from cryptomap.operations.access import Reader
from cryptomap.schema.nodes import InnerNode, Leaf, LeafList, Schema

__all__ = ["diff_text", "difference", "visible"]


def visible(schema: Schema, reader: Reader, changes: Iterable[Change]) -> list[Change]:
    """The changes of what the reader sees, and of each what it sees inside."""
    masks = _Mask(schema, reader)
    return [masked for change in changes if reader.sees(change.path) and (masked := masks.change(change)) is not None]


class _Mask:
    def __init__(self, schema: Schema, reader: Reader) -> None:
        self._reader = reader
        self._view = View(Node.empty(schema.root), hide=reader.hide)

    def change(self, change: Change) -> Change | None:
        old, new = self._value(change.path, change.old), self._value(change.path, change.new)
        return None if old is None and new is None else replace(change, old=old, new=new)

    def _value(self, path: Path, value: Value | None) -> Value | None:
        if isinstance(value, Node):
            return materialize(self._view.expand(self._reader.prune(value, path), path))
        if isinstance(value, tuple):
            node = path[-1][0]
            return tuple([item for item in value if self._reader.sees((*path[:-1], (node, item)))]) or None
        return value


def difference(changes: Iterable[Change]) -> Plain:
    """The grouping of that name: the changes as lines and as a tree."""
    changes = list(changes)
    return {"diff": diff_text(changes) or None, "tree": tree_text(changes) or None}


def diff_text(changes: Iterable[Change]) -> str:
    """The changes for people: a line for each leaf, ``-`` what goes and ``+`` what comes, a limited number of them."""
    lines = list(islice((line for change in changes for line in _lines(change)), MAX_LINES + 1))
    if len(lines) > MAX_LINES:
        lines[MAX_LINES:] = ["..."]
    return "\n".join(lines)


def _lines(change: Change) -> Iterator[str]:
    sides = leaf_changes(change)
    if sides is None:
        yield f"! {text_of(change.path)} is in another order"
        return
    for sign, value in zip("-+", sides, strict=True):
        if value is not None:
            yield from _value_lines(sign, change.path, value)


def _value_lines(sign: str, path: Path, value: Value) -> Iterator[str]:
    node = path[-1][0]
    if isinstance(value, str | tuple):
        secret = isinstance(node, Leaf | LeafList) and node.secret
        for item in (value,) if isinstance(value, str) else value:
            shown = NOT_SHOWN if secret else item
            yield f"{sign} {text_of(path)} {shown}".rstrip()
    elif isinstance(value, AnyValue):
        yield f"{sign} {text_of(path)} {value.xml.decode()}"
    elif isinstance(value, Node):
        yield from _node_lines(sign, path, value)


def _node_lines(sign: str, path: Path, node: Node) -> Iterator[str]:
    """The node itself, unless it is told by what is in it, and its content."""
    yield f"{sign} {text_of(path)}"
    schema: InnerNode = node.schema
    for child in schema.children:
        value = node.slots[child.slot]
        if value is None or (isinstance(child, Leaf) and child.is_key):
            continue
        if isinstance(value, EntriesTypes):
            for key, entry in value.items():
                yield from _node_lines(sign, (*path, (child, key)), entry)
        else:
            yield from _value_lines(sign, (*path, (child, None)), value)
