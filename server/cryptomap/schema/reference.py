"""The reference of the models, made from the compiled schema: ``python -m cryptomap.schema.reference DIRECTORY``.

One Markdown file per module of ours that defines data: what it is for, its tree (RFC 8340, drawn by pyang), and a table
with each node's type, default and meaning.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from cryptomap.schema.modules import default_module_names, load, own_module_names
from cryptomap.schema.nodes import DataNode, InnerNode, Leaf, LeafList, Notification, Operation, Schema
from cryptomap.schema.sources import own_directory
from cryptomap.schema.types import (
    BitsType,
    EnumerationType,
    IdentityrefType,
    IntegerType,
    LeafrefType,
    StringType,
    Type,
    UnionType,
)

__all__ = ["page", "pages", "type_text"]

TITLE = "# {}\n\n<!-- Made by `make docs` from yang/{}.yang. -->\n"
HEAD = "| node | type | meaning |\n|---|---|---|\n"
MOST_WORDS = 16
"""How many names of an enumeration are listed."""


def pages(schema: Schema) -> dict[str, str]:
    """The page of each module of ours that has nodes, by module name."""
    found = {name: page(schema, name) for name in own_module_names()}
    return {name: text for name, text in found.items() if HEAD in text}


def page(schema: Schema, module: str) -> str:
    """The page of one module."""
    own = own_directory()
    source = own / f"{module}.yang"
    command = [sys.executable, "-m", "pyang", "-f", "tree", "-p", str(own), "--tree-line-length", "100", str(source)]
    tree = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    text = TITLE.format(module, module) + f"\n{_purpose(source)}\n\n```\n{tree}\n```\n"
    rows = "".join(_row(node, note) for node, note in _nodes(schema, module))
    return f"{text}\n{HEAD}{rows}" if rows else text


def type_text(kind: Type) -> str:
    """A type in a few words, with the values it admits."""
    if isinstance(kind, IntegerType):
        return f"{kind.base}, {_bounds(kind.bounds.parts)}"
    if isinstance(kind, StringType) and kind.length is not None:
        return f"{kind.base}, {_bounds(kind.length.parts)} characters"
    if isinstance(kind, (EnumerationType, IdentityrefType, BitsType)):
        names = sorted(kind.values) if isinstance(kind, IdentityrefType) else list(_words(kind))
        return _listed([name.rpartition(":")[2] for name in names])
    if isinstance(kind, LeafrefType):
        return f"name of `{_short(kind.target_path)}`"
    if isinstance(kind, UnionType):
        return " or ".join(dict.fromkeys(type_text(member) for member in kind.members))
    return kind.base


# ===== rows =====


def _nodes(schema: Schema, module: str) -> Iterator[tuple[DataNode, str]]:
    """The nodes a module defines, wherever they stand, parents first, each with what kind of thing it belongs to."""
    yield from _below(schema.root, module, "")
    for operation in schema.operations.values():
        if operation.module == module:
            yield operation, "rpc"
            yield from _below(operation, module, "")
    for notification in schema.notifications.values():
        if notification.module == module:
            yield notification, "notification"
            yield from _below(notification, module, "")


def _below(node: InnerNode, module: str, note: str) -> Iterator[tuple[DataNode, str]]:
    parts: list[DataNode] = list(node.children)
    parts += [*node.operations.values(), *node.notifications.values()]
    if isinstance(node, Operation):
        parts += [*node.input.children, *node.output.children]
    for part in parts:
        kind = "action" if isinstance(part, Operation) else "notification" if isinstance(part, Notification) else note
        if part.module == module:
            yield part, kind
        if isinstance(part, InnerNode):
            yield from _below(part, module, "")


def _row(node: DataNode, note: str) -> str:
    meaning = " ".join(node.description.split()).replace("|", "\\|")
    return f"| `{_short(node.path)}` | {note or _kind(node)} | {meaning} |\n"


def _kind(node: DataNode) -> str:
    """The type, and what else matters of it."""
    state = "" if node.config else " (state)"
    if isinstance(node, Leaf):
        extra = " (key)" if node.is_key else " (mandatory)" if node.mandatory else ""
        default = f", default {node.default.rpartition(':')[2]}" if node.default is not None else ""
        units = f" {node.units}" if node.units else ""
        return f"{type_text(node.type)}{units}{default}{extra}{state}"
    if isinstance(node, LeafList):
        return f"any number of: {type_text(node.type)}{state}"
    return type(node).__name__.removesuffix("Node").removesuffix("_").lower() + state


# ===== words =====


def _purpose(source: Path) -> str:
    """The description of a module, as it stands above its first revision."""
    found = re.search(r'^  description\s+"(.*?)";', source.read_text(), re.MULTILINE | re.DOTALL)
    return " ".join(found.group(1).split()) if found else ""


def _short(path: str) -> str:
    """A schema path without module names."""
    return re.sub(r"/[^/:]+:", "/", path)


def _words(kind: EnumerationType | BitsType) -> Iterator[str]:
    yield from kind.values if isinstance(kind, EnumerationType) else kind.positions


def _listed(names: list[str]) -> str:
    text = ", ".join(names[:MOST_WORDS])
    return f"{text} ..." if len(names) > MOST_WORDS else text


def _bounds(parts: tuple[tuple[int, int], ...]) -> str:
    return ", ".join(str(low) if low == high else f"{low} to {high}" for low, high in parts)


def main(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    made = pages(load(default_module_names()))
    for name, text in made.items():
        (directory / f"{name}.md").write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
