"""Trees for people: a line for each node, indented. In changes, unchanged nodes lead to changed ones, and ``-`` and
``+`` say what goes and what comes.

::

      contexts
        context ipsec-d
          ipsec-transform-set A-foo
    -       dscp 40
    +       dscp 46
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from cryptomap.data.diff import Change
from cryptomap.data.tree import AnyValue, EntriesTypes, Key, Node, Path, Value, key_text
from cryptomap.schema.nodes import DataNode, Leaf, LeafList

__all__ = ["MAX_LINES", "NOT_SHOWN", "leaf_changes", "node_lines", "tree_text"]

MAX_LINES: Final = 10_000
NOT_SHOWN: Final = "(not shown)"


def tree_text(changes: Iterable[Change]) -> str:
    """The changes as a tree, a limited number of lines of it."""
    lines = list(islice(_lines(changes), MAX_LINES + 1))
    if len(lines) > MAX_LINES:
        lines[MAX_LINES:] = ["..."]
    return "\n".join(lines)


def node_lines(node: Node) -> Iterator[str]:
    """What is inside a node; values of secrets are not shown."""
    for child, value in zip(node.schema.children, node.slots, strict=True):
        if value is not None and not (isinstance(child, Leaf) and child.is_key):
            yield from [line[2:] for line in _value(" ", 0, child, None, value)]


def leaf_changes(change: Change) -> tuple[Value | None, Value | None] | None:
    """What goes and what comes; of a leaf-list the values that only one side has. ``None``: only the order differs."""
    old, new = change.old, change.new
    if isinstance(old, EntriesTypes) and isinstance(new, EntriesTypes):
        return None
    if isinstance(old, tuple) and isinstance(new, tuple):
        gone, come = tuple(v for v in old if v not in new), tuple(v for v in new if v not in old)
        return (gone, come) if gone or come else None
    return old, new


def _lines(changes: Iterable[Change]) -> Iterator[str]:
    shown: Path = ()
    for change in changes:
        parents = change.path[:-1]
        for depth in range(_common(shown, parents), len(parents)):
            yield _line(" ", depth, _label(*parents[depth]))
        shown = parents
        yield from _changed(change, len(parents))


def _common(one: Path, other: Path) -> int:
    """How many steps two paths begin with alike."""
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _changed(change: Change, depth: int) -> Iterator[str]:
    sides = leaf_changes(change)
    if sides is None:
        yield _line("!", depth, f"{_label(*change.path[-1])} is in another order")
        return
    for sign, value in zip("-+", sides, strict=True):
        if value is not None:
            yield from _value(sign, depth, *change.path[-1], value)


def _value(sign: str, depth: int, node: DataNode, key: Key | None, value: Value) -> Iterator[str]:
    if isinstance(value, EntriesTypes):
        for entry_key, entry in value.items():
            yield from _value(sign, depth, node, entry_key, entry)
    elif isinstance(value, Node):
        yield _line(sign, depth, _label(node, key))
        for child, content in zip(value.schema.children, value.slots, strict=True):
            if content is not None and not (isinstance(child, Leaf) and child.is_key):
                yield from _value(sign, depth + 1, child, None, content)
    else:
        for item in _items(node, value):
            yield _line(sign, depth, f"{node.name} {item}".rstrip())


def _items(node: DataNode, value: str | tuple[str, ...] | AnyValue) -> Iterator[str]:
    if isinstance(value, AnyValue):
        yield value.xml.decode()
        return
    hidden = isinstance(node, Leaf | LeafList) and node.secret
    for item in (value,) if isinstance(value, str) else value:
        yield NOT_SHOWN if hidden else item


def _label(node: DataNode, key: Key | None) -> str:
    """A container by its name, a list entry with its keys."""
    return node.name if key is None else " ".join((node.name, *key_text(key)))


def _line(sign: str, depth: int, text: str) -> str:
    return f"{sign} {'  ' * depth}{text}"
