"""Who may see and do what, as the rest of the server asks it; ``nacm`` answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol, TypeAlias

from cryptomap.data.tree import Node, Path
from cryptomap.data.view import Provider
from cryptomap.datastore.transaction import Origin
from cryptomap.schema.nodes import DataNode, Notification

__all__ = ["EVERYTHING", "Access", "Everything", "Hide", "Reader"]

Hide: TypeAlias = Callable[[DataNode], bool]
"""Whether a schema node must not be shown to somebody."""


class Reader(Protocol):
    """What one user may see. The same object as long as the answers are the same."""

    @property
    def hide(self) -> Hide | None:
        """The schema nodes of which the user sees no instance at all, always the same object; ``None``: none."""
        ...

    def prune(self, node: Node, path: Path = ()) -> Node:
        """A tree, or the node at a path, without the instances that are hidden although others of their schema node
        are not."""
        ...

    def providers(self, providers: Mapping[str, Provider]) -> Mapping[str, Provider]:
        """The same for what providers of state answer."""
        ...

    def sees(self, path: Path) -> bool:
        """Whether the user may read the instance at a path, and so all that it stands in."""
        ...

    def receives(self, notification: Notification, path: Path) -> bool:
        """Whether the user may be sent a notification; ``path`` is the instance it is about, if it is about one."""
        ...


class Access(Protocol):
    """Access control as the operations ask it."""

    def execute(self, user: str, tag: str, path: Path = ()) -> None:
        """Raises AccessDenied unless the user may perform the operation with that Clark name. ``path`` leads to an
        action, through the instance it is called on."""
        ...

    def reader(self, user: str) -> Reader:
        """What the user may see now."""
        ...

    def write(self, origin: Origin, old: Node, new: Node) -> None:
        """Raises RpcErrors, with a path each, unless the user may make the one tree out of the other."""
        ...

    def dropped(self) -> None:
        """A notification was kept from a subscriber who may not have it."""
        ...


class Everything:
    """The reader who sees everything."""

    hide: Hide | None = None

    def prune(self, node: Node, path: Path = ()) -> Node:
        return node

    def providers(self, providers: Mapping[str, Provider]) -> Mapping[str, Provider]:
        return providers

    def sees(self, path: Path) -> bool:
        return True

    def receives(self, notification: Notification, path: Path) -> bool:
        return True


EVERYTHING: Final = Everything()
