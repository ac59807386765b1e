"""partial-lock and partial-unlock (RFC 5717)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lxml import etree

from cryptomap.data.filter import xpath_paths
from cryptomap.data.path import to_xpath
from cryptomap.data.tree import Path
from cryptomap.data.view import View
from cryptomap.data.xml.faults import names_at
from cryptomap.data.xml.writer import escape
from cryptomap.datastore.partial_locks import PartialLock
from cryptomap.errors import BadElement, InvalidValue, MissingElement, OperationFailed, RpcError
from cryptomap.operations.call import Call, Reply
from cryptomap.operations.parameters import Parameters
from cryptomap.operations.retrieve import expression
from cryptomap.schema.nodes import Schema
from cryptomap.schema.types import XPathType
from cryptomap.schema.xpath import XPathFault

__all__ = ["PARTIAL_LOCK", "partial_lock", "partial_unlock"]

PARTIAL_LOCK: Final = "urn:ietf:params:xml:ns:netconf:partial-lock:1.0"
_SELECT: Final = f"{{{PARTIAL_LOCK}}}select"


async def partial_lock(call: Call) -> Reply:
    """Lock what the expressions select in running now. What the user must not read cannot be selected."""
    elements = _expressions(call.element)
    server = call.server
    lock = await server.writer.run(_lock, call, elements)
    return _written(server.schema, lock)


def _expressions(operation: etree._Element) -> list[etree._Element]:
    elements = list(operation.iterchildren(etree.Element))
    for element in elements:
        if element.tag != _SELECT:
            name = etree.QName(element).localname
            raise _fault(BadElement, f"partial-lock takes select, not {name}", name)
    if not elements:
        raise _fault(MissingElement, "partial-lock needs the parameter select", "select")
    return elements


def _lock(call: Call, elements: list[etree._Element]) -> PartialLock:
    """On the writer's thread, so that running does not change between looking and locking."""
    datastores = call.server.datastores
    reader = call.server.access.reader(call.session.user)
    view = View(reader.prune(datastores.running.root), hide=reader.hide)
    paths = dict.fromkeys(path for element in elements for path in _selected(call, view, element))
    if not paths:
        message = "nothing in running is selected, so that there is nothing to lock"
        raise OperationFailed(message, error_type="protocol", app_tag="no-matches")
    texts = tuple([XPathType().parse((e.text or "").strip(), names_at(call.server.schema, e)) for e in elements])
    return datastores.lock_parts(call.session.id, texts, tuple(paths))


def _selected(call: Call, view: View, element: etree._Element) -> list[Path]:
    text = (element.text or "").strip()
    try:
        expr = expression(call.server.schema, element, text)
    except XPathFault as fault:
        raise _fault(InvalidValue, f"select: {fault}", "select") from fault
    info = (("bad-element", "select"),)
    paths = xpath_paths(call.server.schema, view, expr, budget=call.server.limits.xpath_nodes, info=info)
    if () in paths:
        raise _fault(InvalidValue, "select: all of running cannot be locked in part: use lock", "select")
    return paths


def _written(schema: Schema, lock: PartialLock) -> Iterator[bytes]:
    yield f'<lock-id xmlns="{PARTIAL_LOCK}">{lock.id}</lock-id>'.encode()
    for path in lock.nodes:
        where = to_xpath(schema, path)
        declared = "".join([f' xmlns:{prefix}="{escape(uri)}"' for prefix, uri in where.namespaces.items()])
        yield f'<locked-node xmlns="{PARTIAL_LOCK}"{declared}>{escape(where.text)}</locked-node>'.encode()


async def partial_unlock(call: Call) -> Reply:
    """Raises InvalidValue unless this session holds the lock."""
    parameters = Parameters(call.element, "lock-id")
    parameters.need("lock-id")
    lock_id = parameters.number("lock-id", low=0) or 0
    await call.server.writer.run(call.server.datastores.unlock_parts, call.session.id, lock_id)
    return None


def _fault(kind: type[RpcError], message: str, element: str) -> RpcError:
    return kind(message, error_type="protocol", info=[("bad-element", element)])
