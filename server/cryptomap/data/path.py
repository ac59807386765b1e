"""Instance paths: as XPath for error-path, as text for logs, from instance-identifiers, and as a way through a tree."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from urllib.parse import quote

from cryptomap.data.tree import Key, Node, Path, Value, key_from_text, key_text
from cryptomap.errors import ErrorPath
from cryptomap.schema.nodes import DataNode, InnerNode, Leaf, LeafList, ListNode, Schema
from cryptomap.schema.types import Prefixes, Type, TypeFault

__all__ = [
    "find",
    "literal",
    "parse_instance_identifier",
    "parse_keys",
    "predicates",
    "resource_identifier",
    "text_of",
    "to_xpath",
]

_STEP = re.compile(r"/(?:([A-Za-z_][\w.-]*):)?([A-Za-z_][\w.-]*)")
_LITERAL = re.compile(r"""'([^']*)'|"([^"]*)\"""")
_PREDICATE = re.compile(
    r"""\[\s*(?:
        (?P<position>[1-9]\d*)
      | (?:(?:(?P<prefix>[\w.-]+):)?(?P<name>[A-Za-z_][\w.-]*)|\.)\s*=\s*
        (?P<value>'[^']*'|"[^"]*"|concat\((?:'[^']*'|"[^"]*"|[\s,])*\))
    )\s*\]\s*""",
    re.VERBOSE,
)


def to_xpath(schema: Schema, path: Path) -> ErrorPath:
    """The path as RFC 6241 error-path: every step prefixed, list entries with all their keys."""
    used: dict[str, str] = {}

    def prefix_of(module: str) -> str:
        prefix = schema.prefix_of_module[module]
        used[prefix] = schema.namespace_of_module[module]
        return prefix

    text = "".join([f"/{prefix_of(node.module)}:{node.name}{predicates(node, key, prefix_of)}" for node, key in path])
    return ErrorPath(text or "/", used)


def text_of(path: Path) -> str:
    """The path for logs and messages to people: module names only where the module changes."""
    text, module = "", ""
    for node, key in path:
        text += f"/{node.name}" if node.module == module else f"/{node.module}:{node.name}"
        text += predicates(node, key, None)
        module = node.module
    return text or "/"


def resource_identifier(path: Path) -> str:
    """The path as a data resource identifier (RFC 8040 section 3.5.3), percent-encoded; "" for the root."""
    text, module = "", ""
    for node, key in path:
        text += f"/{node.name}" if node.module == module else f"/{node.module}:{node.name}"
        module = node.module
        if key is not None and (isinstance(node, LeafList) or (isinstance(node, ListNode) and node.keys)):
            text += "=" + ",".join([quote(part, safe="") for part in key_text(key)])
    return text


def predicates(node: DataNode, key: Key | None, prefix_of: Prefixes | None) -> str:
    """What chooses the instance in its step, ``[prefix:name='x']``; names without prefix if ``prefix_of`` is None."""
    if key is None:
        return ""
    if isinstance(node, LeafList):
        return f"[.={_shown(node.type, str(key), prefix_of)}]"
    if not isinstance(node, ListNode) or not node.keys:
        return f"[{int(key) + 1}]" if isinstance(key, int) else ""
    pairs = zip(node.keys, key_text(key), strict=True)
    return "".join([f"[{_name(leaf, prefix_of)}={_shown(leaf.type, value, prefix_of)}]" for leaf, value in pairs])


def _name(leaf: Leaf, prefix_of: Prefixes | None) -> str:
    return f"{prefix_of(leaf.module)}:{leaf.name}" if prefix_of else leaf.name


def _shown(kind: Type, value: str, prefix_of: Prefixes | None) -> str:
    if prefix_of is None or not kind.qualified:
        return literal(value)
    try:
        return literal(kind.render(value, prefix_of))
    except (TypeFault, KeyError):  # the path of a fault may carry a value that its type refused
        return literal(value)


def literal(text: str) -> str:
    """An XPath 1.0 expression for any string."""
    if "'" not in text:
        return f"'{text}'"
    if '"' not in text:
        return f'"{text}"'
    parts = [f"'{part}'" for part in text.split("'")]
    return "concat(" + ', "\'", '.join(parts) + ")"


def find(root: Node, path: Path) -> Value | None:
    """What stands at a path, or ``None``. A list step with a key gives the entry, without one the entries."""
    value: Value | None = root
    for node, key in path:
        if not isinstance(value, Node):
            return None
        value = value.slots[node.slot]
        if key is not None and value is not None:
            value = _member(value, key)
    return value


def _member(value: Value, key: Key) -> Value | None:
    if isinstance(value, tuple):
        return str(key) if key in value else None
    if isinstance(value, str | Node) or not hasattr(value, "get"):
        return None
    member: Node | None = value.get(key)
    return member


def parse_instance_identifier(schema: Schema, text: str) -> Path:
    """A path from an instance-identifier whose prefixes are module names; a step without prefix is in the module of the
    step before it. Raises :class:`TypeFault` for what is not a path of this schema."""
    path: list[tuple[DataNode, Key | None]] = []
    inner: InnerNode | None = schema.root
    module = ""
    at = 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None or inner is None:
            raise TypeFault(f"'{text}' is not an instance path (character {at + 1})")
        module = match[1] or module
        node = inner.by_qname.get(f"{module}:{match[2]}")
        if node is None:
            raise TypeFault(f"'{text}': there is no node {module}:{match[2]}")
        key, at = parse_keys(node, text, match.end(), partial(_own_module, module))
        path.append((node, key))
        inner = node if isinstance(node, InnerNode) else None
    if not path:
        raise TypeFault("an instance path must not be empty")
    return tuple(path)


def _own_module(module: str, prefix: str | None) -> str:
    return prefix or module


def parse_keys(node: DataNode, text: str, at: int, module_of: Callable[[str | None], str]) -> tuple[Key | None, int]:
    """The key in the predicates that begin at ``text[at]``, and where they end; ``None`` if there are none.

    ``module_of`` resolves a prefix (``None`` for none) of key names and of identity values. Raises TypeFault."""
    values: dict[str | None, str] = {}
    position: int | None = None
    while match := _PREDICATE.match(text, at):
        at = match.end()
        if match["position"]:
            position = int(match["position"]) - 1
            continue
        value = "".join([single or double for single, double in _LITERAL.findall(match["value"])])
        values[f"{module_of(match['prefix'])}:{match['name']}" if match["name"] else None] = value
    if position is not None and isinstance(node, ListNode) and not node.keys and not values:
        return position, at
    if not values and position is None:
        return None, at
    return _key(node, values, module_of), at


def _key(node: DataNode, values: dict[str | None, str], module_of: Callable[[str | None], str]) -> Key:
    if isinstance(node, LeafList) and values.keys() == {None}:
        return node.type.parse(values[None], module_of)
    if not isinstance(node, ListNode) or values.keys() != {leaf.qname for leaf in node.keys} or not values:
        raise TypeFault(f"the predicates do not name exactly the keys of {node.qname}")
    return key_from_text(node, tuple([leaf.type.parse(values[leaf.qname], module_of) for leaf in node.keys]))
