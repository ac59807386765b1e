"""get-data and edit-data (RFC 8526): the datastores of NMDA (RFC 8342), among them the operational one.

Operational holds the configuration in use, which is running with its defaults, and all state. Nothing here turns
running into something else on its way to the device, so *intended* is running.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from lxml import etree

from cryptomap.data.filter import subtree, xpath_select
from cryptomap.data.tree import Node
from cryptomap.data.view import View
from cryptomap.data.xml import WriteOptions, read_inner, write
from cryptomap.errors import BadElement, InvalidValue
from cryptomap.operations.access import Hide, Reader
from cryptomap.operations.aside import begun
from cryptomap.operations.call import Call, Reply
from cryptomap.operations.inputs import check
from cryptomap.operations.parameters import Parameters
from cryptomap.operations.sift import DepthView, Keep, by_origin, origin_of, sift, state_hidden, state_only
from cryptomap.operations.url import Url
from cryptomap.operations.with_defaults import BASIC_MODE, OPERATIONAL_MODE, shows_unset
from cryptomap.schema import xpath
from cryptomap.schema.nodes import Schema

if TYPE_CHECKING:
    from cryptomap.operations.server import Server

__all__ = ["NMDA", "datastore_name", "datastores_of", "edit_data", "expression", "get_data", "view_of"]

NMDA: Final = "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda"


def datastores_of(server: Server) -> tuple[str, ...]:
    """The names of all datastores, conventional ones first (RFC 8342 section 5)."""
    return (*server.datastores.names, "intended", "operational")


# ===== get-data =====


async def get_data(call: Call) -> Reply:
    """A datastore, what all the filters together leave of it. State is asked for while the reply is sent."""
    return await call.server.aside.read(_get_data, call)


def _get_data(call: Call) -> Reply:
    given = _given(call)
    name = datastore_name(given, "datastore")
    reader = call.server.access.reader(call.session.user)
    mode = given.text("with-defaults") or (OPERATIONAL_MODE if name == "operational" else BASIC_MODE)
    mode = mode.rpartition(":")[2]
    is_config = given.text("config-filter")
    hide = state_hidden(reader.hide) if is_config == "true" else reader.hide
    view = view_of(
        call.server, name, reader, hide, defaults=shows_unset(mode), depth=_depth(given), session_id=call.session.id
    )
    content = _filtered(call, view)
    for keep in _sieves(given):
        content = None if content is None else sift(_node(content), keep)
    origin = origin_of if given["with-origin"] is not None else None
    return begun(_reply(call.server.schema, content, WriteOptions(mode, hide, origin)))


def _given(call: Call) -> Node:
    """The input, checked against the schema."""
    schema = call.server.schema
    operation = schema.operations[call.element.tag]
    here = ((operation, None),)
    given = read_inner(schema, operation.input, call.element, call.server.seal, base=here)
    _refuse_origin_elsewhere(given, datastore_name(given, "datastore"))
    check(schema, call.server.view(), given, here)
    return given


def datastore_name(given: Node, leaf: str) -> str:
    """The name of a datastore without its module; "" if there is none."""
    return (given.text(leaf) or "").rpartition(":")[2]


def _refuse_origin_elsewhere(given: Node, name: str) -> None:
    for leaf in ("with-origin", "origin-filter", "negated-origin-filter"):
        if name != "operational" and given[leaf] is not None:
            message = f"{leaf} is for the operational datastore: {name or 'that'} has no origins"
            raise InvalidValue(message, info=[("bad-element", leaf)])


def view_of(
    server: Server,
    name: str,
    reader: Reader,
    hide: Hide | None,
    *,
    defaults: bool,
    depth: int | None = None,
    session_id: int = 0,
) -> View:
    """A datastore by the name of its identity, as that session has it. Raises InvalidValue for one there is not."""
    kind = View if depth is None else DepthView
    if name == "operational":
        view = server.view(reader, hide, defaults=defaults, kind=kind, more=server.subscriptions.providers)
    elif name in datastores_of(server):
        root = server.datastores.read("running" if name == "intended" else name, session_id)
        view = kind(reader.prune(root), schema=server.schema, defaults=defaults, hide=hide)
    else:
        raise InvalidValue(f"there is no {name} datastore here", info=[("bad-element", "datastore")])
    if isinstance(view, DepthView) and depth is not None:
        view.depth = depth
    return view


def _depth(given: Node) -> int | None:
    text = given.text("max-depth")
    return None if text in (None, "unbounded") else int(text or 0)


def _filtered(call: Call, view: View) -> Node | View | None:
    """What the filter selects of a view; all of it if there is no filter."""
    schema = call.server.schema
    element = call.element.find(f"{{{NMDA}}}subtree-filter")
    if element is not None:
        return subtree(schema, view, element)
    element = call.element.find(f"{{{NMDA}}}xpath-filter")
    if element is not None:
        budget, info = call.server.limits.xpath_nodes, (("bad-element", "xpath-filter"),)
        return xpath_select(schema, view, expression(schema, element), budget=budget, info=info)
    return view


def expression(schema: Schema, element: etree._Element) -> xpath.Expr:
    """The XPath expression in an element, whose prefixes are those in scope; a module's name is a prefix as well."""
    prefixes = {name: name for name in schema.namespace_of_module}
    for prefix, namespace in element.nsmap.items():
        if prefix:
            prefixes[prefix] = schema.module_of_namespace.get(namespace, namespace)
    try:
        return xpath.parse((element.text or "").strip(), prefixes, None)
    except xpath.XPathFault as fault:
        name = etree.QName(element).localname
        raise InvalidValue(f"{name}: {fault}", info=[("bad-element", name)]) from fault


def _sieves(given: Node) -> Iterator[Keep]:
    if given.text("config-filter") == "false":
        yield state_only
    if wanted := _origins(given, "origin-filter"):
        yield by_origin(wanted.__contains__)
    if unwanted := _origins(given, "negated-origin-filter"):
        yield by_origin(lambda origin: origin not in unwanted)


def _origins(given: Node, leaf: str) -> frozenset[str]:
    return frozenset(name.rpartition(":")[2] for name in given.values(leaf))


def _node(content: Node | View) -> Node:
    if isinstance(content, Node):
        return content
    slots = {child.slot: value for child, value in content.children(content.root, ())}
    return Node(content.root.schema, tuple([slots.get(slot) for slot in range(len(content.root.slots))]))


def _reply(schema: Schema, content: Node | View | None, options: WriteOptions) -> Iterator[bytes]:
    yield f'<data xmlns="{NMDA}">'.encode()
    if content is not None:
        yield from write(schema, content, options)
    yield b"</data>"


# ===== edit-data =====


async def edit_data(call: Call) -> Reply:
    """As edit-config with the error-option rollback-on-error."""
    parameters = Parameters(call.element, "datastore", "default-operation", "config", "url")
    name = parameters.identity(parameters.need("datastore"), _writable(call.server))
    default = parameters.choice("default-operation", ("merge", "replace", "none")) or "merge"
    config = await _config(call, parameters)
    datastores = call.server.datastores
    await call.server.writer.run(
        datastores.edit, call.origin, name, config, default_operation=default, error_option="rollback-on-error"
    )
    return None


def _writable(server: Server) -> tuple[str, ...]:
    datastores = server.datastores
    return tuple(name for name in datastores.names if name != "running" or datastores.writable_running)


async def _config(call: Call, parameters: Parameters) -> etree._Element:
    if parameters.has("url") and parameters.has("config"):
        info = [("bad-element", "url")]
        raise BadElement("edit-data takes either config or url", error_type="protocol", info=info)
    if parameters.has("url"):
        return await call.server.aside.run(call.server.files.read, Url(parameters.need_text("url")))
    return parameters.need("config")
