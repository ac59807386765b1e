"""Who may see and do what. :class:`Access` is all the rest of the server knows of it.

:class:`DefaultDeny` is what holds without any rules (RFC 8341 section 3.2): nodes that a module marks as
default-deny-all or default-deny-write are there for recovery users only, and everything else is for everybody who could
log in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cache
from typing import Final, Protocol, TypeAlias

from cryptomap.data.diff import diff
from cryptomap.data.path import to_xpath
from cryptomap.data.tree import EntriesTypes, Node, Path, Value
from cryptomap.datastore.transaction import Origin
from cryptomap.errors import AccessDenied, RpcErrors
from cryptomap.netconf.messages import BASE
from cryptomap.schema.nodes import DataNode, InnerNode, ListNode, Schema

__all__ = ["Access", "DefaultDeny", "Hide"]

Hide: TypeAlias = Callable[[DataNode], bool]
"""Whether a schema node must not be shown to somebody."""

MAX_DENIALS: Final = 100
_WHO: Final = "only a recovery user may (named by --authorized-keys, or with recovery = true in the settings)"
_DENIED_OPERATIONS: Final = frozenset({f"{{{BASE}}}delete-config", f"{{{BASE}}}kill-session"})
"""Denied unless a rule permits them, although their module does not mark them (RFC 8341 section 3.4.4, step 10)."""


class Access(Protocol):
    """Access control as the operations ask it."""

    def execute(self, user: str, tag: str, path: Path = ()) -> None:
        """Raises AccessDenied unless the user may perform the operation with that Clark name. ``path`` leads to an
        action, through the instance it is called on."""
        ...

    def hide(self, user: str) -> Hide | None:
        """What to hide from a user, always the same object for the same answer; ``None``: nothing."""
        ...

    def write(self, origin: Origin, old: Node, new: Node) -> None:
        """Raises RpcErrors, with a path each, unless the user may make the one tree out of the other."""
        ...


class DefaultDeny:
    """Access control before there are rules. ``recovery``: the users it does not bind."""

    def __init__(self, schema: Schema, recovery: Collection[str] = ()) -> None:
        self._schema = schema
        self._recovery = frozenset(recovery)
        self._has_denied = cache(_has_denied)

    def execute(self, user: str, tag: str, path: Path = ()) -> None:
        if user in self._recovery:
            return
        operation = path[-1][0] if path else self._schema.operations.get(tag)
        if tag in _DENIED_OPERATIONS or (operation is not None and operation.deny == "read"):
            raise AccessDenied(f"{user} may not perform {tag.rpartition('}')[2]}: {_WHO}", error_type="protocol")

    def hide(self, user: str) -> Hide | None:
        return None if user in self._recovery else _is_hidden

    def write(self, origin: Origin, old: Node, new: Node) -> None:
        if origin.user in self._recovery or origin.session_id == 0:
            return
        denied = [path for change in diff(old, new) for path in self._denied(change.path, (change.old, change.new))]
        if denied:
            raise RpcErrors([self._denial(origin.user, path) for path in dict.fromkeys(denied[:MAX_DENIALS])])

    def _denial(self, user: str, path: Path) -> AccessDenied:
        return AccessDenied(f"{user} may not change {path[-1][0].name}: {_WHO}", path=to_xpath(self._schema, path))

    def _denied(self, path: Path, values: Iterable[Value | None]) -> Iterator[Path]:
        """The marked nodes that stand at or below a path in any of these values."""
        node, key = path[-1]
        if node.deny is not None:
            yield path
        elif isinstance(node, ListNode) and key is None:
            return  # its entries only changed places
        elif isinstance(node, InnerNode) and self._has_denied(node):
            for value in values:
                yield from self._denied_inside(path, value)

    def _denied_inside(self, path: Path, value: Value | None) -> Iterator[Path]:
        if isinstance(value, Node):
            for child in value.schema.children:
                inside = value.slots[child.slot]
                if isinstance(inside, EntriesTypes):
                    for key, entry in inside.items():
                        yield from self._denied((*path, (child, key)), (entry,))
                elif inside is not None:
                    yield from self._denied((*path, (child, None)), (inside,))


def _is_hidden(node: DataNode) -> bool:
    return node.deny == "read"


def _has_denied(node: InnerNode) -> bool:
    """Whether a node below this one is marked; one schema node is looked at as often as it is asked for."""
    return any(
        child.deny is not None or (isinstance(child, InnerNode) and _has_denied(child)) for child in node.children
    )
