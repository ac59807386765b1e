"""How StarOS prints values: booleans as Enabled and Disabled, a DSCP in hex, ``[Default]`` after what nobody
configured, and several kinds of absence."""

from __future__ import annotations

from cryptomap.data.tree import Node
from cryptomap.schema.types import IdentityrefType
from cryptomap.staros.forms import keyword
from cryptomap.staros.paths import explicit, leaf_schema, text_at

__all__ = [
    "DEFAULT",
    "UNKNOWN",
    "accelerator",
    "capital",
    "dscp",
    "enabled",
    "marked",
    "number_or_disabled",
    "option",
    "value",
]

UNKNOWN = "Unknown"
"""For state that nobody reports: the backend does not answer, or the tree has no state."""

DEFAULT = "[Default]"


def option(node: Node | None, path: str) -> str | None:
    """The value in effect as a StarOS keyword; ``None`` if there is neither a value nor a node."""
    found = None if node is None else text_at(node, path)
    if found is None or node is None:
        return None
    return keyword(found) if isinstance(leaf_schema(node.schema, path).type, IdentityrefType) else found


def value(node: Node | None, path: str, absent: str = UNKNOWN) -> str:
    """The value in effect, or how its absence is printed."""
    found = option(node, path)
    return absent if found is None else found


def enabled(node: Node | None, path: str) -> str:
    """A boolean, in effect."""
    return {"true": "Enabled", "false": "Disabled"}.get(value(node, path), UNKNOWN)


def marked(node: Node | None, path: str) -> str:
    """The value in effect, with the mark of a default if it is one."""
    if node is None:
        return UNKNOWN
    mark = "" if explicit(node, path) is not None else f" {DEFAULT}"
    return f"{value(node, path)}{mark}"


def dscp(node: Node | None, path: str, absent: str = "None") -> str:
    """A DSCP as ``0x28``."""
    found = option(node, path)
    return absent if found is None else f"0x{int(found):02x}"


def accelerator(node: Node | None, path: str) -> str:
    """The hardware that computes, as it is called; None for software."""
    found = value(node, path)
    return "None" if found == "none" else found


def number_or_disabled(node: Node | None, path: str) -> str:
    """A limit that does not hold while it is not set."""
    return value(node, path, "Disabled")


def capital(text: str) -> str:
    """``none`` as ``None``, ``complete`` as ``Complete``."""
    return text[:1].upper() + text[1:]
