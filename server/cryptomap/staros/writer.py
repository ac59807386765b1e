"""From a configuration to StarOS text, canonical: lower case, two blanks of indentation a mode, ``#exit`` after each,
numbers in hex where StarOS has hex. What StarOS has no words for is listed, never left out in silence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cryptomap.data.tree import AnyValue, Node, Path, Step, Value
from cryptomap.schema.nodes import DataNode, Leaf, Schema
from cryptomap.staros.grammar import Mode, Said, Source
from cryptomap.staros.tables import CONFIGURE

__all__ = ["Exported", "export_text"]

INDENT = "  "


@dataclass(frozen=True, slots=True)
class Exported:
    """The text, and the paths of what it does not say: leafs, or a container or list entry of which it says nothing.
    A leaf set to its default is not listed, because a text without it says the same."""

    text: str
    unsaid: tuple[Path, ...]


def export_text(schema: Schema, root: Node) -> Exported:
    """The configuration in ``root`` as StarOS text; state in it is passed over. Keys are written as sealed by the
    server; a key that is not sealed counts as unsaid, so that no key leaves in clear."""
    said = Said()
    lines = ["config", *_block(CONFIGURE, Source(root, said), 1), "end"]
    assert root.schema is schema.root
    return Exported("\n".join(lines) + "\n", tuple(_unsaid(root, (), said)))


def _block(mode: Mode, source: Source, depth: int) -> Iterator[str]:
    indent = INDENT * depth
    for statement in mode.statements:
        for written in statement.write(source):
            yield indent + written.line
            if written.mode is not None and written.source is not None:
                yield from _block(written.mode, written.source, depth + 1)
                yield f"{indent}#exit"


# ===== what is not said =====


def _unsaid(node: Node, path: Path, said: Said) -> Iterator[Path]:
    for child, value in _configuration(node):
        if said.has_slot(node, child.slot) and not isinstance(value, Node):
            continue
        if isinstance(value, Node):
            yield from _unsaid_node(value, (*path, (child, None)), said)
        elif isinstance(value, str | tuple | AnyValue):
            if not (isinstance(child, Leaf) and child.default == value):
                yield (*path, (child, None))
        else:
            for key, entry in value.items():
                step: Step = (child, key)
                yield from _unsaid_node(entry, (*path, step), said)


def _unsaid_node(node: Node, path: Path, said: Said) -> Iterator[Path]:
    if _is_mentioned(node, said):
        yield from _unsaid(node, path, said)
    elif path[-1][1] is not None or any(True for _ in _unsaid(node, path, said)):
        yield path


def _is_mentioned(node: Node, said: Said) -> bool:
    """Whether the text says the node, or anything in it."""
    if said.has_node(node):
        return True
    return any(_holds_said(node, child, value, said) for child, value in _configuration(node))


def _holds_said(node: Node, child: DataNode, value: Value, said: Said) -> bool:
    if isinstance(value, Node):
        return _is_mentioned(value, said)
    if isinstance(value, str | tuple | AnyValue):
        return said.has_slot(node, child.slot)
    return any(_is_mentioned(entry, said) for entry in value.nodes())


def _configuration(node: Node) -> Iterator[tuple[DataNode, Value]]:
    for child in node.schema.children:
        value = node.slots[child.slot]
        if child.config and value is not None:
            yield child, value
