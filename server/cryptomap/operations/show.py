"""show of module cryptomap-server: what StarOS would print, of what the user may read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from lxml import etree

from cryptomap.data.build import build
from cryptomap.data.filter import subtree
from cryptomap.data.tree import Node, Path
from cryptomap.data.view import materialize
from cryptomap.datastore.transaction import Origin
from cryptomap.errors import InvalidValue
from cryptomap.operations.actions import Handler
from cryptomap.schema.nodes import Schema

if TYPE_CHECKING:
    from cryptomap.operations.server import Server

__all__ = ["StarosText", "handlers"]

_PATH: Final = "/cryptomap-server:show"


class StarosText(Protocol):
    """Who knows StarOS text. ``words`` are those of a show command without the word show; both methods that take them
    raise ValueError, with a text for the operator, if there is no such command or nothing to show."""

    def filter_of(self, words: Sequence[str]) -> str:
        """The subtree filter, as XML, of what the command reads."""
        ...

    def show(self, schema: Schema, root: Node, words: Sequence[str]) -> str:
        """The output of the command on a tree that holds what it reads."""
        ...

    def difference(self, schema: Schema, old: Node, new: Node) -> str:
        """What differs between two configurations, as lines of StarOS text."""
        ...


def handlers(server: Server) -> Mapping[str, Handler]:
    """The operation by its schema path; empty if the module is not there or nobody knows StarOS text."""
    namespace = server.schema.namespace_of_module.get("cryptomap-server")
    operation = server.schema.operations.get(f"{{{namespace}}}show")
    staros = server.staros
    if operation is None or staros is None:
        return {}

    def show(path: Path, given: Node, origin: Origin) -> Node:
        """On a thread of its own: state is asked for."""
        words = (given.text("command") or "").split()
        try:
            root = _read(server, staros.filter_of(words), origin.user)
            return build(operation.output, {"text": staros.show(server.schema, root, words)})
        except ValueError as fault:
            raise InvalidValue(str(fault), info=[("bad-element", "command")]) from fault

    return {_PATH: show}


def _read(server: Server, wanted: str, user: str) -> Node:
    """Configuration and state that the filter selects, as the user may see them."""
    reader = server.access.reader(user)
    element = etree.fromstring(f"<filter>{wanted}</filter>")
    found = subtree(server.schema, server.view(reader, reader.hide), element)
    return Node.empty(server.schema.root) if found is None else materialize(found)
