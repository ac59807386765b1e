"""rpcs of any module and YANG 1.1 actions (RFC 7950 sections 7.14 and 7.15), performed by handlers.

A handler gets the instance it is called on, its input as a tree that has been checked, and who asks. It answers its
output, or ``None``. A plain function runs aside: it may compute for long, and wait (``turns.waiting``); a coroutine
function runs on the event loop, so that it must not block. Refusals are RpcErrors.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Final, TypeAlias

from lxml import etree

from cryptomap.data.path import to_xpath
from cryptomap.data.tree import EntriesTypes, Key, Node, Path, Value, key_from_text
from cryptomap.data.view import View
from cryptomap.data.xml import read_inner, write
from cryptomap.data.xml.faults import names_at
from cryptomap.datastore.transaction import Origin
from cryptomap.errors import (
    BadElement,
    DataMissing,
    InvalidValue,
    MissingElement,
    OperationNotSupported,
    RpcError,
    UnknownElement,
)
from cryptomap.operations.call import Call, Reply
from cryptomap.operations.inputs import check
from cryptomap.operations.parameters import local_name
from cryptomap.schema.nodes import Container, InnerNode, ListNode, Operation, Schema
from cryptomap.schema.types import TypeFault

if TYPE_CHECKING:
    from cryptomap.operations.server import Server

__all__ = ["ACTION", "Handler", "action", "rpc"]

ACTION: Final = "{urn:ietf:params:xml:ns:yang:1}action"

Handler: TypeAlias = Callable[[Path, Node, Origin], "Node | Awaitable[Node | None] | None"]
"""(instance the action is called on, empty for an rpc; input; who asks) -> output."""


async def rpc(call: Call) -> Reply:
    """An rpc that a module of the schema defines."""
    return await _invoke(call, call.server.schema.operations[call.element.tag], (), call.element)


async def action(call: Call) -> Reply:
    """The action inside ``<action>``, on the instance its surrounding elements name."""
    server = call.server
    path, operation, element = _locate(server.schema, call.element)
    reader = server.access.reader(call.session.user)
    _require_instance(server.schema, server.view(reader, reader.hide), path)
    server.access.execute(call.session.user, operation.tag, (*path, (operation, None)))
    return await _invoke(call, operation, path, element)


async def _invoke(call: Call, operation: Operation, path: Path, element: etree._Element) -> Reply:
    server = call.server
    handler = server.handlers.get(operation.path)
    if handler is None:
        message = f"{operation.name} is defined by {operation.module}, but this server does not implement it"
        raise OperationNotSupported(message, error_type="protocol", info=[("bad-element", operation.name)])
    here = (*path, (operation, None))
    given = await server.aside.read(_given, server, operation, here, element)
    output = await _run(server, handler, path, given, call.origin)
    if output is None or output.is_empty:
        return None
    return _written(server.schema, output)


def _given(server: Server, operation: Operation, here: Path, element: etree._Element) -> Node:
    """The input, checked."""
    given = read_inner(server.schema, operation.input, element, server.seal, base=here)
    check(server.schema, server.view(), given, here)
    return given


async def _run(server: Server, handler: Handler, path: Path, given: Node, origin: Origin) -> Node | None:
    result: Node | Awaitable[Node | None] | None
    if inspect.iscoroutinefunction(handler):
        result = handler(path, given, origin)
    else:
        result = await server.aside.run(handler, path, given, origin)
    return result if result is None or isinstance(result, Node) else await result


def _written(schema: Schema, output: Node) -> Iterator[bytes]:
    yield from write(schema, output)


# ===== which action on what =====


def _locate(schema: Schema, element: etree._Element) -> tuple[Path, Operation, etree._Element]:
    """The instance path, the action, and the action's element."""
    path: Path = ()
    inner: InnerNode = schema.root
    while True:
        child = _only_child(inner, element)
        operation = inner.operations.get(child.tag)
        if operation is not None:
            return path, operation, child
        node = inner.by_tag.get(child.tag)
        if not isinstance(node, (Container, ListNode)):
            raise _fault(UnknownElement, f"there is no data node or action {local_name(child)} here", child)
        key = _key(schema, node, child) if isinstance(node, ListNode) else None
        path = (*path, (node, key))
        inner, element = node, child


def _only_child(inner: InnerNode, element: etree._Element) -> etree._Element:
    """The one child that leads on; besides it there are only the keys of a list entry."""
    keys = {leaf.tag for leaf in inner.keys} if isinstance(inner, ListNode) else set()
    others = [child for child in element.iterchildren(etree.Element) if child.tag not in keys]
    if not others:
        raise _fault(MissingElement, f"{local_name(element)} does not lead to an action", element)
    if len(others) > 1:
        raise _fault(BadElement, "one action can be invoked at a time", others[1])
    return others[0]


def _key(schema: Schema, node: ListNode, element: etree._Element) -> Key:
    values = []
    for leaf in node.keys:
        found = element.find(leaf.tag)
        if found is None:
            raise _fault(MissingElement, f"the entry of {node.name} needs its key {leaf.name}", element, leaf.name)
        try:
            values.append(leaf.type.parse((found.text or "").strip(), names_at(schema, found)))
        except TypeFault as fault:
            raise _fault(InvalidValue, fault.message, found) from fault
    if not values:
        raise _fault(UnknownElement, f"entries of {node.name} have no keys to name them by", element)
    return key_from_text(node, tuple(values))


def _fault(kind: type[RpcError], message: str, element: etree._Element, name: str | None = None) -> RpcError:
    return kind(message, error_type="protocol", info=[("bad-element", name or local_name(element))])


def _require_instance(schema: Schema, view: View, path: Path) -> None:
    """An action needs an instance that exists (RFC 7950 section 7.15); containers without presence always do."""
    node: Node | None = view.root
    for position, (step, key) in enumerate(path):
        value = None if node is None else view.value(node, step, path[:position])
        node = _instance(view, step, key, value, node, path[:position])
        if node is None:
            where = to_xpath(schema, path[: position + 1])
            raise DataMissing(f"{step.name} does not exist, so it has no action", path=where)


def _instance(
    view: View, step: object, key: Key | None, value: Value | None, parent: Node | None, at: Path
) -> Node | None:
    if isinstance(value, EntriesTypes):
        return value.get(key) if key is not None else None
    if value is None and isinstance(step, Container) and not step.presence:
        return Node.empty(step)
    return value if isinstance(value, Node) else None
