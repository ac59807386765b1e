"""get and get-config (RFC 6241 sections 7.1 and 7.7), with subtree and XPath filters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from lxml import etree

from cryptomap.data.filter import subtree, xpath_select
from cryptomap.data.tree import Node
from cryptomap.data.view import View
from cryptomap.data.xml import WriteOptions, write
from cryptomap.errors import BadAttribute, InvalidValue, MissingAttribute
from cryptomap.netconf.messages import BASE
from cryptomap.operations.access import Hide, Reader
from cryptomap.operations.aside import begun
from cryptomap.operations.call import Call, Reply
from cryptomap.operations.parameters import Parameters
from cryptomap.operations.with_defaults import WITH_DEFAULTS, mode_of, shows_unset
from cryptomap.schema import xpath
from cryptomap.schema.nodes import Schema

if TYPE_CHECKING:
    from cryptomap.operations.server import Server

__all__ = ["expression", "filtered", "get", "get_config"]


async def get(call: Call) -> Reply:
    """Running and the state of the device. State is asked for while the reply is sent, where the filter leads."""
    return await call.server.aside.read(_get, call)


def _get(call: Call) -> Reply:
    parameters = Parameters(call.element, "filter", WITH_DEFAULTS)
    mode, filter_element = mode_of(parameters), parameters.get("filter")
    reader = call.server.access.reader(call.session.user)
    view = call.server.view(reader, _for_filter(filter_element, reader), defaults=shows_unset(mode))
    return begun(_data(call.server, view, filter_element, WriteOptions(mode, reader.hide)))


async def get_config(call: Call) -> Reply:
    """A datastore as it is when the request is handled, however long the reply takes."""
    return await call.server.aside.read(_get_config, call)


def _get_config(call: Call) -> Reply:
    parameters = Parameters(call.element, "source", "filter", WITH_DEFAULTS)
    mode, filter_element = mode_of(parameters), parameters.get("filter")
    server = call.server
    reader = server.access.reader(call.session.user)
    root = reader.prune(server.datastores.read(parameters.datastore("source"), call.session.id))
    hide = _for_filter(filter_element, reader)
    view = View(root, schema=server.schema, defaults=shows_unset(mode), hide=hide)
    return begun(_data(server, view, filter_element, WriteOptions(mode, reader.hide)))


def _for_filter(filter_element: etree._Element | None, reader: Reader) -> Hide | None:
    """A filter must not find what is hidden. Without one it is enough, and faster, not to write it."""
    return None if filter_element is None else reader.hide


def _data(server: Server, view: View, filter_element: etree._Element | None, options: WriteOptions) -> Iterator[bytes]:
    content: Node | View | None = view
    if filter_element is not None:
        content = filtered(server.schema, view, filter_element, server.limits.xpath_nodes)
    return _around(server.schema, content, options)


def _around(schema: Schema, content: Node | View | None, options: WriteOptions) -> Iterator[bytes]:
    yield _OPEN
    if content is not None:
        yield from write(schema, content, options)
    yield _CLOSE


_OPEN: Final = f'<data xmlns="{BASE}">'.encode()
_CLOSE: Final = b"</data>"


def filtered(schema: Schema, view: View, filter_element: etree._Element, budget: int) -> Node | None:
    """What a filter element (of get, get-config or create-subscription) selects, ``None`` if nothing. The XPath of a
    filter may look at ``budget`` instances. Raises InvalidValue, BadAttribute or MissingAttribute."""
    kind = _attribute(filter_element, "type") or "subtree"
    if kind == "subtree":
        return subtree(schema, view, filter_element)
    if kind == "xpath":
        return xpath_select(schema, view, _expression(schema, filter_element), budget=budget)
    message = f"filter type '{kind[:40]}' is neither subtree nor xpath"
    raise BadAttribute(message, error_type="protocol", info=[("bad-attribute", "type"), ("bad-element", "filter")])


def _attribute(element: etree._Element, name: str) -> str | None:
    """An attribute of a filter, unqualified as RFC 6241 has it or, as some clients write it, qualified."""
    value = element.get(name)
    return element.get(f"{{{BASE}}}{name}") if value is None else value


def _expression(schema: Schema, filter_element: etree._Element) -> xpath.Expr:
    """The select expression. Its prefixes are those in scope; a name without one may be of any module."""
    where = [("bad-attribute", "select"), ("bad-element", "filter")]
    select = _attribute(filter_element, "select")
    if select is None:
        message = "a filter of type xpath needs the attribute select"
        raise MissingAttribute(message, error_type="protocol", info=where)
    try:
        return expression(schema, filter_element, select)
    except xpath.XPathFault as fault:
        raise InvalidValue(f"filter: {fault}", error_type="protocol", info=where) from fault


def expression(schema: Schema, element: etree._Element, text: str) -> xpath.Expr:
    """An XPath expression with the prefixes in scope at an element. Raises XPathFault."""
    prefixes = {
        prefix: schema.module_of_namespace.get(namespace, namespace)
        for prefix, namespace in element.nsmap.items()
        if prefix
    }
    return xpath.parse(text, prefixes, None)
