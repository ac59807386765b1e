"""One operation being performed: who asks for what, and the kinds of answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from lxml import etree

from cryptomap.datastore.transaction import Origin

if TYPE_CHECKING:
    from cryptomap.operations.server import Server
    from cryptomap.operations.sessions import Session

__all__ = ["Call", "Operation", "Reply"]


@dataclass(frozen=True, slots=True)
class Call:
    """An operation and where it came from. ``element`` is the operation's own element, inside ``rpc``."""

    server: Server
    session: Session
    element: etree._Element

    @property
    def origin(self) -> Origin:
        """Who the datastore is told wants this."""
        return self.session.origin


Reply: TypeAlias = Iterable[bytes] | None
"""What goes into the rpc-reply, in slices of elements that declare their own namespaces; ``None`` is ``<ok/>``.

A tuple has been made; other slices are made aside, off the event loop, while the reply is already being sent. So
whatever can be refused is refused before an operation returns, or while the first slice is made."""

Operation: TypeAlias = Callable[[Call], Awaitable[Reply]]
"""One operation of the protocol. Raises RpcError or RpcErrors."""
